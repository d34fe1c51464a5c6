"""What benches of the gateware share."""
