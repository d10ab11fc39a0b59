"""Labels texts, one a line: python classify.py < texts.txt

Prints a JSON object a line: the text, its label and the probability of every label. Needs torch and transformers.
"""
import os, sys
