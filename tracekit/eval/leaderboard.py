"""Methods against a labelled benchmark, in one table.

The one call, which the command line uses too:

    from tracekit.eval.config import EvalConfig
    from tracekit.eval.leaderboard import evaluate
    from tracekit.eval import tables

    board = evaluate("who-and-when", ["linear", "constant", "random"], data, EvalConfig(folds=10))
    tables.as_rich(board)        # list of rich renderables: print each on a rich Console
    tables.as_text(board)        # str, plain text without colours
    tables.as_markdown(board)    # str, for --markdown FILE
    tables.as_json(board)        # bytes, one line, for --json (no clock: same input, same bytes)
    tables.cases_jsonl(board)    # Iterator[bytes], one line per method, seed and trace, for --cases

`evaluate(benchmark, methods, data, config=None, *, progress=None, **settings)`: `benchmark` is a
name or a `Benchmark`, `methods` are names or `Analyzer`s, `data` a path, `settings` fields of
`EvalConfig` as keywords (`folds=5`). `progress(done, total, what)` is called on the way. Raises
`UsageError`, `UnknownName`, `InputError`. `board.problems` are files that could not be read.
"""
