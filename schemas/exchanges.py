"""US options exchanges: their MICs (ISO 10383) and how vendors spell them. `XOPR` stands for OPRA itself."""

from __future__ import annotations

NAMES: dict[str, str] = {
    "AMXO": "NYSE American Options", "ARCO": "NYSE Arca Options", "BATO": "Cboe BZX Options",
    "C2OX": "Cboe C2", "EDGO": "Cboe EDGX Options", "EMLD": "MIAX Emerald", "GMNI": "Nasdaq GEMX",
    "MCRY": "Nasdaq MRX", "MPRL": "MIAX Pearl", "MXOP": "MEMX Options", "OPRA": "OPRA", "SPHR": "MIAX Sapphire",
    "XBOX": "BOX Options", "XBXO": "Nasdaq BX Options", "XCBO": "Cboe Options", "XISX": "Nasdaq ISE",
    "XMIO": "MIAX Options", "XNDQ": "Nasdaq Options Market", "XPHL": "Nasdaq PHLX",
}  # fmt: skip
"""Name of each exchange by MIC."""

OPRA_LETTERS: dict[str, str] = {
    "A": "AMXO", "B": "XBOX", "C": "XCBO", "D": "EMLD", "E": "EDGO", "H": "GMNI", "I": "XISX", "J": "MCRY",
    "M": "XMIO", "N": "ARCO", "O": "OPRA", "P": "MPRL", "Q": "XNDQ", "S": "SPHR", "T": "XBXO", "U": "MXOP",
    "W": "C2OX", "X": "XPHL", "Z": "BATO",
}  # fmt: skip
"""MIC of OPRA's participant letter, as Alpaca and Tradier write it."""

DATABENTO: dict[int, str] = {
    20: "AMXO", 21: "XBOX", 22: "XCBO", 23: "EMLD", 24: "EDGO", 25: "GMNI", 26: "XISX", 27: "MCRY", 28: "XMIO",
    29: "ARCO", 30: "OPRA", 31: "MPRL", 32: "XNDQ", 33: "XBXO", 34: "C2OX", 35: "XPHL", 36: "BATO", 37: "MXOP",
    61: "SPHR",
}  # fmt: skip
"""MIC of Databento's publisher id for OPRA.PILLAR."""

MASSIVE: dict[int, str] = {300 + ord(letter) - ord("A"): name for letter, name in OPRA_LETTERS.items()}
"""MIC of Massive's exchange id: 300 and the place of OPRA's participant letter, A = 0 .. Z = 25."""

THETA: dict[int, str] = {
    1: "XNDQ", 4: "AMXO", 5: "XCBO", 6: "XISX", 7: "ARCO", 9: "XPHL", 10: "OPRA", 11: "XBOX", 22: "MCRY",
    31: "GMNI", 42: "C2OX", 43: "XMIO", 46: "EMLD", 47: "XBXO", 60: "BATO", 65: "EDGO", 69: "MPRL",
    73: "MXOP", 76: "SPHR",
}  # fmt: skip
"""MIC of Theta Data's exchange code; only the codes on which options trade."""

CBOE: dict[int, str] = {**THETA, 71: "EMLD", 120: "MXOP"}
"""MIC of Cboe DataShop's exchange id: Theta Data's codes, but some later exchanges have ids of their own."""

_SPELLINGS: dict[str, str] = {
    "XPHO": "XPHL",
    "XNDO": "XNDQ",
    "XASE": "AMXO",
    "ARCX": "ARCO",
    "XBOS": "XBXO",
    "C2": "C2OX",
}


def mic(text: str) -> str:
    """The MIC of a text that is a MIC or a vendor's variant of one (`XPHO`); unknown ones are kept as they are."""
    upper = text.upper()
    return _SPELLINGS.get(upper, upper)
