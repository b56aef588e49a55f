"""What whoever runs an installation sees of it: metrics, traces. Rules and panels over them are in `ops/watching`."""
