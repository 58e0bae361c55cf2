"""How good a trained net is: counts over a dataset, and a page that shows them to a person."""
