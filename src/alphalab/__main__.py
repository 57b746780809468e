"""`python -m alphalab` is the command line."""

import sys

from alphalab.cli import main

sys.exit(main())
