#!/bin/sh
# Compare the portable twins of DSP58 and DSPFP32 with the vendor's simulation models. It needs Vivado's xvlog, xelab and
# xsim on the path, XILINX_VIVADO in the environment, and the package flightvgm with its extra "rtl". It ends with PASS or
# FAIL, and with an error unless it passes.
#
#   constraints/check_dsp58.sh build/check [seed] [cycles]
set -eu
folder=${1:?give a folder for the bench}
python -m flightvgm_rtl.target.check "$folder"
cd "$folder"
xvlog check.v "$XILINX_VIVADO/data/verilog/src/glbl.v"
xelab -L unisims_ver -L secureip work.check work.glbl -s check
xsim check -runall -testplusarg "seed=${2:-1}" -testplusarg "cycles=${3:-100000}" | tee check.log
tail -n 20 check.log | grep -q '^PASS'
