"""`python -m cityhub`: the command line."""

import sys

from cityhub.cli import main

sys.exit(main())
