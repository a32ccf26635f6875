"""Writes a main module for one of a wheel's console scripts: write_main.py OUT SCRIPT DIST_INFO_FILE..."""

import configparser
import pathlib
import sys


def main(out: str, script: str, files: list[str]) -> None:
    """Writes to `out` the module that the entry point `script` in the wheel's `files` stands for."""
    config = configparser.ConfigParser(delimiters=("=",))
    # Names of scripts keep their case.
    config.optionxform = str  # type: ignore[assignment,method-assign]
    config.read([file for file in files if file.endswith("/entry_points.txt")], encoding="utf-8")
    scripts = dict(config["console_scripts"]) if config.has_section("console_scripts") else {}
    if script not in scripts:
        sys.exit(f"no console script {script!r}; there are: {', '.join(sorted(scripts)) or 'none'}")
    module, function = scripts[script].split("[")[0].strip().split(":")
    pathlib.Path(out).write_text(
        f"import sys\n\nfrom {module} import {function.split('.')[0]}\n\n"
        f'if __name__ == "__main__":\n    sys.exit({function}())\n',
        encoding="utf-8",
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
