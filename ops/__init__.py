"""Running the product on a machine: supervisor, demo, doctor, backup. Between the processes and the command line."""
