"""``python -m flightvgm``: the command line."""

import sys

from flightvgm.cli import main

sys.exit(main())
