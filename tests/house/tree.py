"""The tree of the project as the house tests see it: its packages, their modules, and what each module imports."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("holdback", "features", "training", "campaigns", "monitoring", "flows", "simulator")


def modules(*packages: str) -> list[Path]:
    """Every Python file of the given packages (all of them by default), relative to the project's root."""
    return sorted(path.relative_to(ROOT) for package in packages or PACKAGES for path in (ROOT / package).rglob("*.py"))


def syntax(module: Path) -> ast.Module:
    """The parsed source of one module."""
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), filename=str(module))


def repository_files() -> list[Path]:
    """Every file that is committed or about to be: what git knows, and what it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [path for name in sorted(set(listed.stdout.split("\0")) - {""}) if (path := ROOT / name).is_file()]


@dataclass(frozen=True)
class Import:
    """One import: the top-level name that is loaded, the line, and whether a caller must run a function to load it."""

    name: str
    line: int
    is_inside_function: bool


def imports(tree: ast.Module) -> Iterator[Import]:
    """What a module loads. Imports for type checkers only (`if TYPE_CHECKING:`) load nothing and are left out."""

    def visit(node: ast.AST, inside: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            children: list[ast.AST] = list(node.orelse)
        else:
            children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from (Import(alias.name.split(".")[0], node.lineno, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield Import(node.module.split(".")[0], node.lineno, inside)
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in children:
            yield from visit(child, inside)

    yield from visit(tree, False)
