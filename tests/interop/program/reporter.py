"""A peer with the newsroom's functions, driven over its standard input. Runs on an original and on ours."""

import driven
import newsroom

driven.serve(vars(newsroom))
