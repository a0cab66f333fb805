// Answers on their way to the organiser: one at a time, each until the server has said that it has
// it. Every answer has a name of its own, by which the server knows one that comes again.
const LONGEST_WAIT_S = 60;
const WORTH_ANOTHER_TRY = [408, 425, 429];

const sending = {
  url: TEST.post_to,
  isBusy: false,
  waitS: 1,
  timer: 0,
  onChange: () => {},

  // A page that `listen serve` serves finds beside it where answers go.
  async begin() {
    addEventListener("online", () => this.now());
    if (!this.url && location.protocol.startsWith("http")) await this.ask();
    this.now();
  },

  async ask() {
    try {
      const reply = await fetch("serve.json", { cache: "no-store" });
      if (reply.ok) {
        const facts = await reply.json();
        if (facts.test === TEST.test) this.url = new URL(facts.answers, location.href).href;
      } else if (reply.status >= 500) this.later();
    } catch {
      this.later();
    }
    this.onChange();
  },

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), 1000 * this.waitS * (1 + Math.random() / 4));
    this.waitS = Math.min(LONGEST_WAIT_S, 2 * this.waitS);
  },

  async now() {
    clearTimeout(this.timer);
    if (!this.url) {
      if (this.waitS > 1) await this.ask();
      if (!this.url) return;
    }
    if (this.isBusy || !memory.isOurs) return;
    this.isBusy = true;
    while (memory.data.queue.length && (await this.send(memory.data.queue[0])));
    this.isBusy = false;
    if (memory.data.queue.length) this.later();
    this.onChange();
  },

  // Whether the next one can be sent.
  async send(answer) {
    let refusal = "";
    try {
      const reply = await fetch(this.url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(answer),
        credentials: "omit",
        keepalive: true,
        signal: AbortSignal.timeout(20_000),
      });
      if (!reply.ok) {
        const isFinal = reply.status < 500 && !WORTH_ANOTHER_TRY.includes(reply.status);
        if (!isFinal) return false;
        refusal = (await reply.text()).slice(0, 200) || `status ${reply.status}`;
      }
    } catch {
      return false;
    }
    this.waitS = 1;
    const { data } = memory;
    data.queue = data.queue.filter((one) => one.id !== answer.id);
    if (refusal) data.refused.push({ id: answer.id, reason: refusal });
    memory.save();
    return memory.isOurs;
  },

  say() {
    const { queue, refused } = memory.data;
    if (!memory.isSafe) return "This browser keeps nothing: do not reload, and download your answers at the end.";
    if (refused.length) return `${refused.length} of your answers were refused: ${refused[0].reason} Please download your answers.`;
    const waiting = `${queue.length} ${queue.length === 1 ? "answer waits" : "answers wait"}`;
    if (queue.length && this.url) return `Saved in this browser; ${waiting} to be sent.`;
    if (!memory.data.answers.length) return "";
    return this.url ? "Your answers so far are sent." : "Your answers so far are saved in this browser.";
  },
};
