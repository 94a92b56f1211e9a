"""`python -m zhenwei`, for launchers that start modules, such as torchrun."""

from zhenwei.cli import main

if __name__ == "__main__":
    main()
