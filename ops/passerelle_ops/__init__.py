"""Running it: the command line, the processes, the migrations, the demo and the benches."""
