"""`python -m tracekit_cli` is `tracekit`."""

import sys

from tracekit_cli.entry import main

sys.exit(main())
