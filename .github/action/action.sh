#!/usr/bin/env bash
# The steps of action.yml. Inputs come as INPUT_... variables; what a step finds out goes to
# $GITHUB_OUTPUT. Only "finish" fails for a verdict: comment and artifact come first.
#
#   action.sh plan|install|weights|evaluate|comment|finish
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
environment=$RUNNER_TEMP/snac-eval-environment
python=$environment/bin/python
snac_eval=$environment/bin/snac-eval

# A line that GitHub shows beside the workflow: level and text.
say() {
  local text=${2//'%'/'%25'}
  text=${text//$'\r'/'%0D'}
  echo "::$1::${text//$'\n'/'%0A'}"
}

refuse() {
  say error "$1"
  exit 2
}

output() {
  case $2 in *$'\n'*) refuse "$1: a line feed in '${2//$'\n'/ }'" ;; esac
  echo "$1=$2" >> "$GITHUB_OUTPUT"
}

# The words of an input, quoted as in a shell, into the array "words"; nothing is expanded.
split() {
  words=()
  local found
  found=$(python3 -c 'import shlex, sys; print("\n".join(shlex.split(sys.argv[1])))' "$1" 2>&1) ||
    refuse "'$1' cannot be split into words: ${found##*$'\n'}"
  if [ -n "$found" ]; then mapfile -t words <<< "$found"; fi
}

digest() {
  sha256sum | cut -c1-16
}

# What pip is to install, into the array "wanted".
requirements() {
  local extras=${INPUT_EXTRAS:+[$INPUT_EXTRAS]}
  if [ -n "${INPUT_VERSION:-}" ]; then
    wanted=("snac-eval$extras==$INPUT_VERSION")
  else
    wanted=("$root$extras")
  fi
  if [ "${INPUT_CONSTRAINTS:-tested}" = tested ]; then wanted+=(-c "$root/constraints.txt"); fi
  split "${INPUT_REQUIREMENTS:-}"
  wanted+=("${words[@]}")
}

# Everything that the environment follows from, so that a cached one is the very same.
described() {
  python3 -c 'import sys; print(sys.version, sys.executable)'
  printf '%s\n' "$environment" "$INPUT_TORCH_INDEX" "${wanted[@]}"
  cat "$root/pyproject.toml" "$root/constraints.txt"
  local file
  for file in "${words[@]}" pyproject.toml setup.py setup.cfg; do
    if [ -f "$file" ]; then cat "$file"; fi
  done
}

plan() {
  case $INPUT_NAME in
    *[!A-Za-z0-9._-]* | "" | .*) refuse "name '$INPUT_NAME': give letters, digits, . _ and -" ;;
  esac
  case $INPUT_FAIL_ON in
    any | regression | nothing) ;;
    *) refuse "fail-on '$INPUT_FAIL_ON': give any, regression or nothing" ;;
  esac
  case $INPUT_CONSTRAINTS in
    tested | none) ;;
    *) refuse "constraints '$INPUT_CONSTRAINTS': give tested or none" ;;
  esac
  requirements
  output environment "$environment"
  output key "snac-eval-environment-$RUNNER_OS-$RUNNER_ARCH-$(described | digest)"
}

# On a restored environment too: pip installs afresh what comes from a folder, and nothing else.
install() {
  requirements
  # One that was cut short has no pip.
  if ! "$python" -m pip --version > /dev/null 2>&1; then python3 -m venv --clear "$environment"; fi
  local torch=(torch) quiet=(--quiet --disable-pip-version-check)
  if [ "${INPUT_CONSTRAINTS:-tested}" = tested ]; then torch+=(-c "$root/constraints.txt"); fi
  # Its index has only some versions of what it needs: that comes with the rest.
  "$python" -m pip install "${quiet[@]}" --index-url "$INPUT_TORCH_INDEX" --no-deps "${torch[@]}"
  "$python" -m pip install "${quiet[@]}" "${wanted[@]}"
}

# Weights and corpora are cached under what they follow from: the revisions on the models' cards.
weights() {
  local cards
  cards=$("$python" "$here/cards.py" "$INPUT_MODEL")
  output key "snac-eval-weights-$(printf '%s\n' "$cards" "$INPUT_DATASET" "$INPUT_METRICS" | digest)"
  output hub "${HF_HUB_CACHE:-${HF_HOME:-$HOME/.cache/huggingface}/hub}"
  output cache "${SNAC_EVAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/snac-eval}"
}

evaluate() {
  local folder=$RUNNER_TEMP/snac-eval-$INPUT_NAME code=0
  local run=$folder/run report=$folder/report.md
  mkdir -p "$folder"
  rm -f "$report"
  run_model || code=$?
  case $code in
    0 | 1 | 3 | 4) judge ;;
    *)
      verdict=error
      failed "snac-eval run"
      ;;
  esac
  output verdict "$verdict"
  output exit-code "$code"
  output folder "$folder"
  output run "$run"
  output report "$report"
  if [ -f "$run/report.html" ]; then output page "$run/report.html"; fi
}

run_model() {
  local flags=(--model "$INPUT_MODEL" --dataset "$INPUT_DATASET" --output "$run" --quiet)
  if [ -n "${INPUT_METRICS:-}" ]; then flags+=(--metrics "$INPUT_METRICS"); fi
  if [ -n "${INPUT_DATA_ROOT:-}" ]; then flags+=(--data-root "$INPUT_DATA_ROOT"); fi
  split "${INPUT_ARGS:-}"
  logged "$snac_eval" run "${flags[@]}" "${words[@]}"
}

# The verdict, and the worst exit code of both. Beside it lies the run as a baseline, to be accepted.
judge() {
  if [ -f "$run/manifest.json" ]; then
    "$snac_eval" baseline "$run" -o "$folder/baseline.json" || say notice "no baseline of this run"
  fi
  if [ -z "${INPUT_BASELINE:-}" ]; then
    verdict=none
    summarise
    return
  fi
  split "${INPUT_CHECK_ARGS:-}"
  local checked=0
  # Two machines of a hosted runner differ in speed.
  logged "$snac_eval" check "$run" --baseline "$INPUT_BASELINE" --no-speed \
    --junit "$folder/gate.xml" --markdown "$report" "${words[@]}" || checked=$?
  if [ "$checked" != 0 ]; then code=$checked; fi
  case $checked in
    0) verdict=passed ;;
    1) verdict=regression ;;
    3) verdict=unknown ;;
    *)
      verdict=error
      failed "snac-eval check"
      ;;
  esac
}

# Without a baseline: the summary of the run, of several the table.
summarise() {
  if [ -f "$run/summary.md" ]; then
    cp "$run/summary.md" "$report"
  else
    "$snac_eval" table "$run" --format md > "$report"
  fi
  cat "$report" >> "$GITHUB_STEP_SUMMARY"
}

# What a command says on standard error is shown, and kept for the comment.
logged() {
  local status=0
  "$@" 2> "$folder/errors.txt" || status=$?
  cat "$folder/errors.txt" >&2
  return "$status"
}

failed() {
  local text
  text=$(tail -n 1 "$folder/errors.txt")
  say error "$1 ended with exit code $code: $text"
  { echo "**$1 ended with exit code $code**" && echo && sed 's/^/    /' "$folder/errors.txt"; } |
    tee "$report" >> "$GITHUB_STEP_SUMMARY"
}

finish() {
  case $INPUT_FAIL_ON,$INPUT_EXIT_CODE in
    regression,3) say warning "not known whether quality was kept (fail-on: regression)" ;;
    nothing,1 | nothing,3) say warning "exit code $INPUT_EXIT_CODE (fail-on: nothing)" ;;
    *) exit "$INPUT_EXIT_CODE" ;;
  esac
}

comment() {
  exec python3 "$here/comment.py" "$INPUT_REPORT" --name "$INPUT_NAME"
}

case ${1:-} in
  plan | install | weights | evaluate | comment | finish)
    cd "${INPUT_WORKING_DIRECTORY:-.}" || refuse "working-directory: no such folder"
    "$1"
    ;;
  *) refuse "usage: action.sh plan|install|weights|evaluate|comment|finish" ;;
esac
