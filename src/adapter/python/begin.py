"""Classifies texts, one per line: python classify.py < texts.txt

Prints one JSON object per line: the text, its label and the probability of every label. Needs torch and transformers.
"""
import os, sys
