"""``python -m otelprov.cli`` is ``otelprov``."""

from otelprov.cli import main

if __name__ == "__main__":
    main(prog_name="otelprov")
