"""`python -m lading`: the command, by the interpreter that is named."""

from lading.cli.app import main

if __name__ == "__main__":
    main()
