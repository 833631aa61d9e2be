"""A service of the example `mend`: it runs until it is asked to stop."""

import sys

import switch  # type: ignore[import-not-found,unused-ignore]

switch.run(sys.argv[1])
