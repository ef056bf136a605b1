"""What words mean in tables: kinds of events, and what columns are called, in English, German, Spanish and Czech."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

__all__ = ["EVENT_KINDS", "EventKind", "is_named", "kind_of_event", "plain", "unit_of"]

EventKind = Literal["acquire", "release", "interest", "refuse", "ignore"]
EVENT_KINDS: tuple[EventKind, ...] = ("acquire", "release", "interest", "refuse", "ignore")

_EVENTS: dict[EventKind, str] = {
    "acquire": """
        open opened opening openaccount acquire acquired acquisition buy bought purchase purchased subscribe
        subscribed subscription inception issue issued issuance activate activated activation signup signedup
        enrol enroll enrolled enrolment start started join joined contract contracted originate originated
        origination booked booking eroffnung eroffnet kauf gekauft abschluss abgeschlossen zeichnung gezeichnet
        aktivierung aktiviert beginn neuabschluss vertragsabschluss vertragsbeginn alta altas apertura abierto
        abierta abrir compra comprado contratacion contratado contratar suscripcion otevreni otevreno zalozeni
        zalozeno nakup koupe koupeno sjednani sjednano zrizeni zrizeno porizeni""",
    "release": """
        close closed closing closure closeaccount release released cancel cancelled canceled cancellation
        cancelation terminate terminated termination lapse lapsed surrender surrendered sell sold redeem redeemed
        redemption expire expired expiry expiration mature matured maturity end ended churn churned kundigung
        gekundigt schliessung geschlossen auflosung aufgelost verkauf verkauft ablauf abgelaufen storno storniert
        stornierung vertragsende baja bajas cierre cerrado cerrada cerrar cancelacion cancelado venta vendido
        rescate vencimiento vencido zruseni zruseno ukonceni ukonceno vypoved prodej prodano zanik""",
    "interest": """
        view viewed pageview pageviewed click clicked quote quoted quotation inquiry enquiry inquired visit
        visited search searched browse browsed simulate simulation calculator compare compared interest interested
        favourite favorite wishlist lead ansicht angesehen seitenaufruf aufruf klick angeklickt anfrage angebot
        angebotsanfrage besuch suche interesse merkliste vista visto visita clic consulta cotizacion presupuesto
        busqueda simulacion interes zobrazeni prohlizeni kliknuti poptavka nabidka navsteva hledani zajem""",
    "refuse": """
        decline declined refuse refused refusal reject rejected rejection complain complaint complained optout
        optedout unsubscribe unsubscribed dismiss dismissed notinterested dislike disliked abgelehnt ablehnung
        ablehnen beschwerde reklamation widerspruch abgemeldet keininteresse rechazo rechazado rechazada queja
        reclamacion nointeresado odmitnuti odmitnuto stiznost reklamace nezajem""",
    "ignore": """
        claim claimed payment paid pay transfer transferred transaction withdrawal deposit login statement fee
        interestpayment balance update updated schaden schadenfall zahlung uberweisung transaktion abhebung
        einzahlung anmeldung gebuhr siniestro pago transferencia transaccion retirada ingreso skoda platba prevod
        transakce vyber vklad prihlaseni poplatek""",
}
"""Words for a kind of event, as `plain` writes them."""
_KINDS: dict[str, EventKind] = {word: kind for kind, words in _EVENTS.items() for word in words.split()}
_LETTERS = str.maketrans({"ß": "ss", "ł": "l", "ø": "o", "æ": "ae"})

_NAMES = {
    "customer": r"(id|num|nr|no|cod)?(customer|client|cust|user|person|policyholder|holder|member|kunde|kunden|cliente"
    r"|persona|zakaznik|klient)(id|no|nr|num|number|nummer|key|code|cislo)?|ncodpers",
    "product": r"(id|num|nr|no|cod)?(product|item|asset|fund|offer|policytype|produkt|artikel|producto|vyrobek)"
    r"(id|no|nr|num|number|nummer|key|code|cislo)?|isin|sku",
    "time": r".*(date|time|datum|zeit|fecha).*|(day|tag|dia|den|cas|ts|when|wann|month|monat|mes|mesic)",
    "as_of": r"(as|valid|state)(of|from)(date|day)?|snapshot(date|day)?|stand|stichtag|gultigab|platnostod",
    "event": r"(event|transaction|movement|operation)?(event|kind|type|action|movement|operation)|vorgang|ereignis"
    r"|aktion|evento|movimiento|accion|udalost|akce|pohyb",
    "weight": r"weight|rating|strength|gewicht|bewertung|peso|vaha",
    "risk": r".*(risk|risiko|riesgo|rizik).*",
    "category": r".*(category|categoria|kategorie|family|familie|familia|productgroup|produktgruppe|producttype).*",
    "segment": r".*segment.*",
    "age": r"(customer|client|kunden)?(age|alter|edad|vek)(years|jahre|anos|let)?",
    "name": r"(product|fund|item|short|long|display|full)?(name|title|label|bezeichnung|nombre|nazev|titel|titulo)",
    "duration": r"(duration|term|maturity|laufzeit|plazo|splatnost|doba)(months|years|days|monate|jahre)?",
    "code": r".*(id|code|zip|postcode|iban|phone|plz|postleitzahl|codigo|psc)",
    "birth": r".*(birth|geburt|nacimiento|narozeni).*|dob",
    "income": r".*(income|salary|wage|earnings|einkommen|gehalt|lohn|ingresos|salario|nomina|renta|prijem|mzda).*",
    "tenure": r".*(tenure|seniority|antiguedad|kundeseit|kundenseit|clientedesde|zakaznikod).*"
    r"|(date)?joined(on|at)?|joindate|(customer|client|member)since|fechaalta",
    # What may neither decide what a person is told, nor be said aloud; also as an event or a word among the values.
    "protected": r".*(gender|geschlecht|genero|pohlavi|marital|marriage|married|divorce|widow|familienstand|zivilstand"
    r"|verheiratet|geschieden|verwitwet|estadocivil|casad[oa]|divorciad[oa]|viud[oa]|rodinnystav|nationalit"
    r"|staatsangehorig|staatsburger|nacionalidad|narodnost|citizen|obcanstvi|religio|konfession|nabozenstv|ethnic"
    r"|ethnie|etnia|etnicid|etnick|disabilit|disabled|behinder|discapacid|postizen|invalidit|pregnan|schwanger"
    r"|embaraz|tehotens|sexualorient|birthplace|countryofbirth|geburtsort|geburtsland|hautfarbe).*"
    r"|(customer|client|kunden)?(sex|sexo|race|raza|rasa)(code|id|type)?|birth|geburt|nacimiento|narozeni"
    r"|(fe)?male|mannlich|weiblich|hombre|mujer",
    "text": r".*(description|beschreibung|descripcion|popis|note|notiz|comment|bemerkung).*",
}
"""What a column is called -> its names, as `plain` writes them."""


def plain(name: str) -> str:
    """Return the letters and digits of a name, small and without accents."""
    letters = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS))
    return re.sub(r"[^a-z0-9]", "", letters)


def is_named(column: str, what: str) -> bool:
    """Return whether a column's name says that it is this: a key of `_NAMES`."""
    return re.fullmatch(_NAMES[what], plain(column)) is not None


def kind_of_event(word: str) -> EventKind | None:
    """Return what an event's word means, None if that is not known."""
    return _KINDS.get(plain(word))


_UNITS = {
    **dict.fromkeys(("months", "monate", "meses", "mesice"), "months"),
    **dict.fromkeys(("years", "age", "jahre", "alter", "anos", "edad", "vek", "let"), "years"),
    **dict.fromkeys(("days", "tage", "dias", "dni"), "days"),
    **dict.fromkeys(("pct", "percent", "prozent"), "%"),
    **{currency: currency.upper() for currency in ("eur", "usd", "gbp", "chf", "czk", "pln", "sek", "dkk", "nok")},
}
"""Last word of a column's name -> the unit of its numbers."""


def unit_of(column: str) -> str:
    """Return the unit of a column of numbers as far as its name says it, else ''."""
    words = re.split(r"[^a-z]+", unicodedata.normalize("NFKD", column.casefold()).encode("ascii", "ignore").decode())
    return _UNITS.get(next((word for word in reversed(words) if word), ""), "")
