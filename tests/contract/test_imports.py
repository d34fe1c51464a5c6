import ast
import sys

import pytest

ALLOWED = {
    "arch/flightvgm_arch": {"flightvgm_arch"},
    "sim/flightvgm_sim": {"flightvgm_arch", "flightvgm_sim", "numpy"},
}


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_package_imports_what_it_may(request, folder):
    for path in sorted((request.config.rootpath / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            for name in names:
                top = name.split(".")[0]
                assert top in ALLOWED[folder] | sys.stdlib_module_names, f"{path.name} imports {name}"
