"""One module for each thing that a person can do; `bot.client` lists them."""
