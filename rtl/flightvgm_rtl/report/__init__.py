"""Area and depth of components: a netlist from Yosys, and what it says about LUTs, levels, carries and fan-out."""
