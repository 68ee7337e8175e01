"""`python -m diwanctl`: the command line, where no script is on the path."""

from diwanctl.main import main

if __name__ == "__main__":
    main(prog_name="diwan")
