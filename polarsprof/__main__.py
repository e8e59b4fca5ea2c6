"""`python -m polarsprof` runs the command `polarsprof`."""

from polarsprof.cli import main

if __name__ == "__main__":
    main(prog_name="polarsprof")
