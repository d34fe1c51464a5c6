"""Everything that is run on this project: ``nox`` lints and tests, ``nox -l`` lists the rest."""

import nox

nox.options.sessions = ["lint", "test"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = True


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, types and who imports whom."""
    session.install("-e", ".[lint,test]", "nox")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def test(session: nox.Session) -> None:
    """Run the tests; arguments after ``--`` go to pytest. Benches of components need Icarus Verilog."""
    session.install("-e", ".[test,video,rtl,cosim]")
    session.run("pytest", "-n", "auto", "--dist", "loadgroup", *session.posargs)


@nox.session
def verilog(session: nox.Session) -> None:
    """Emit ``SMALL`` into ``build/SMALL`` and let Verilator, Icarus Verilog and Yosys read it."""
    session.install(".[rtl,cosim]")
    session.run("flightvgm", "verilog", "--preset", "SMALL", "--out", "build/SMALL")
    session.run("python", "-m", "flightvgm_sim.cosim.lint", "build/SMALL/flightvgm.v")


@nox.session
def area(session: nox.Session) -> None:
    """Write the table of components, with LUTs, levels and fan-out; fail where one exceeds its bound."""
    session.install("-e", ".[rtl]")
    session.run("python", "-m", "flightvgm_rtl.report", "docs/reference/components.md")


@nox.session
def cosim(session: nox.Session) -> None:
    """Generate one denoising step on the emitted Verilog, every byte of memory held against the golden machine."""
    session.install(".[video,rtl,cosim]")
    session.run(
        "flightvgm", "generate", "a red circle moving right", "--checkpoint", "pocket", "--backend", "cosim",
        "--verify", "--steps", "1", "--resume", "build/steps", "--out", "cosim.gif", *session.posargs,
    )  # fmt: skip


@nox.session
def demo(session: nox.Session) -> None:
    """Generate a video on the golden machine: ``demo.gif``, and its frames side by side in ``demo.png``."""
    session.install(".[video]")
    session.run(
        "flightvgm", "generate", "a red circle moving right", "--out", "demo.gif", "--contact-sheet", "demo.png"
    )


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the project's figures against their bounds; arguments after ``--`` name cases."""
    session.install(".[video]")
    session.run("flightvgm", "bench", *session.posargs)


@nox.session
def study(session: nox.Session) -> None:
    """Sweep thresholds and draw quality against work skipped into ``docs/images``."""
    session.install("-e", ".[video,plot]")
    session.run("python", "-m", "flightvgm.study", *(session.posargs or ["docs/images"]))


@nox.session
def docs(session: nox.Session) -> None:
    """Write the reference pages from the contract's tables."""
    session.install("-e", ".")
    session.run("python", "-m", "flightvgm_arch.reference", "docs/reference")


@nox.session
def train(session: nox.Session) -> None:
    """Train a checkpoint; arguments after ``--`` go to the trainer."""
    session.install("-e", ".[train,video,plot]")
    session.run("python", "-m", "flightvgm.training.train", *session.posargs)
