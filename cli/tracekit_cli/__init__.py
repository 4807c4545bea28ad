"""The command line of tracekit: parse, call the library, print, set the exit code."""
