"""Control: instruction fetch, front end, queues, counts, pools, ledger and the registers of the host."""
