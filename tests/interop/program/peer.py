"""A peer with the workshop's functions, driven over its standard input. Runs on an original and on ours."""

import driven
import workshop

driven.serve(vars(workshop))
