"""Why a service fails: evidence, rules as data, and the causes that follow from both. Pure; no I/O."""
