"""What a run or a study is from its call to its result: executed, and shown."""
