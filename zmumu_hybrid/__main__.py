"""`python -m zmumu_hybrid`: the command line where `zmumu` is not on the path."""

from zmumu_hybrid.cli.main import main

if __name__ == "__main__":
    main()
