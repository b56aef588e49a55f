"""Running it: the command line, the processes, the migrations, the demo and the benches."""

import gc

# What a process of ours loads is there to stay: gone through at the usual pace, a start takes a fourth longer.
gc.set_threshold(20_000, 20, 20)
