# Deutsch. Die Regeln dieser Dateien: https://projectfluent.org/fluent/guide. Namen, die mit "label-" beginnen, schreibt
# der Browser selbst auf die festen Teile der Seite; sie erwähnen nichts. Wörter der Bank stehen in Anführungszeichen,
# denn ihr Geschlecht und ihre Mehrzahl sind nicht bekannt.

language-name = Deutsch

### Zahlen und Listen

yes-or-no = { $answer ->
    [yes] ja
   *[no] nein
}
unit = { $unit ->
    [year] Jahr
    [years] { $count ->
        [1] Jahr
       *[other] Jahre
    }
    [month] Monat
    [months] { $count ->
        [1] Monat
       *[other] Monate
    }
    [week] Woche
    [weeks] { $count ->
        [1] Woche
       *[other] Wochen
    }
    [day] Tag
    [days] { $count ->
        [1] Tag
       *[other] Tage
    }
    [hour] Stunde
    [hours] { $count ->
        [1] Stunde
       *[other] Stunden
    }
   *[other] { $unit }
}
number-word = { $count ->
    [0] kein
    [1] ein
    [2] zwei
    [3] drei
    [4] vier
    [5] fünf
    [6] sechs
    [7] sieben
    [8] acht
    [9] neun
    [10] zehn
    [11] elf
    [12] zwölf
   *[other] { $count }
}
number = { $count }
words-and = { $words } und { $last }

### Die Seite um die Reiter

page-heading = Die nächsten passenden Produkte · Version { $version } · Stand { $day }
languages = Sprache
no-customer = Kein Kunde ausgewählt
no-customer-do = Suchen Sie einen Kunden nach seiner Nummer, oder laden Sie ein Profil hoch.
no-product-left = Kein Produkt bleibt übrig
reasons-unavailable = Diese Version nennt keine Gründe.

## Beschriftungen

label-done = Fertig
label-top = Produkte
label-appetite = Risikobereitschaft
label-categories = Interessen (keine: alle)
label-exclude = Auslassen
label-upload = Profil hochladen
label-upload-file = CSV oder Parquet, bis
label-upload-row = Kunde der Datei
label-tab-desk = Beratung

## Suche

search-label = Kunde
search-placeholder = Nummer, Name oder Merkmal
search-found = Gefundene Kunden
search-nobody = So ist kein Kunde

## Filter

appetite = { $name ->
    [own] Wie beim Kunden
    [cautious] Vorsichtig
    [balanced] Ausgewogen
   *[any] Risikofreudig
}
appetite-up-to = { appetite } (bis { $risk })
appetite-any = { appetite } (jedes)
filter-risk = Risiko bis { $risk }
filter-categories = nur { $names }
filter-exclude = ohne { $names }

## Der Kunde

no-customer-yet-do = Suchen Sie oben, oder laden Sie unten ein Profil hoch.
portrait = Der ausgewählte Kunde
portrait-uploaded = hochgeladen
portrait-changed = geändert: { $names }
held-count = { $count ->
    [0] noch keine Produkte
    [one] { $count } Produkt
   *[other] { $count } Produkte
}
last-opened = das letzte { $when } eröffnet
ago = { $unit ->
    [today] heute
    [yesterday] gestern
    [days] vor { $count } Tagen
    [weeks] vor { $count } Wochen
    [months] vor { $count } Monaten
   *[years] vor { $count } Jahren
}
peers-segment = Unter 100 im Segment „{ $segment }“; die mittlere Hälfte ist getönt
peers-all = Unter 100 aller Kunden; die mittlere Hälfte ist getönt
above-peers = , über { $count } von 100
event = { $what ->
    [opened] eröffnet
    [closed] beendet
    [refused] abgelehnt
   *[looked-at] angesehen
}
event-of = { $day }: { $product } { event }
events = { $count ->
    [one] { $count } Ereignis
   *[other] { $count } Ereignisse
} in zwei Jahren

## Hochladen

upload-read = { $count ->
    [one] { $count } Kunde gelesen.
   *[other] { $count } Kunden gelesen.
}
upload-unknown = { $count } davon bisher unbekannt: ohne Produkte.
upload-known = Ihre Produkte sind bekannt.
upload-template = Vorlage herunterladen (CSV)
upload-too-many = sie hat { $count } Kunden, und die Seite zeigt höchstens { $most } einzeln
upload-too-many-do = bewerten Sie sie im Reiter Batch, oder laden Sie einen Teil hoch
upload-unusable = Diese Datei kann nicht verwendet werden.
upload-see-beside = Die Probleme stehen daneben.
problems = Probleme der Datei
problems-count = { $count ->
    [one] Diese Datei kann nicht verwendet werden: { $count } Problem.
   *[other] Diese Datei kann nicht verwendet werden: { $count } Probleme.
}
problems-more = { " " }Von { $count } Ursachen sind die ersten { $shown } zu sehen.
problems-column = Spalte
problems-what = Was nicht stimmt
problems-how-often = Wie oft
problems-where = Wo
problems-remedy = Was zu tun ist
problems-of-file = die Datei
problems-everywhere = überall
problems-place = { $unit ->
    [line] { $count ->
        [one] Zeile
       *[other] Zeilen
    }
    [row] { $count ->
        [one] Zeile
       *[other] Zeilen
    }
   *[record] { $count ->
        [one] Datensatz
       *[other] Datensätze
    }
} { $places }
problems-file = Alle als Datei (CSV)

### Beratung

begin = Wählen Sie einen Kunden
begin-do = Suchen Sie links nach Nummer, Name oder Merkmal (affluent; age 43), laden Sie ein Profil hoch, oder beginnen Sie mit einem von diesen.
sample = { $kind ->
    [typical] Typisch für das Segment „{ $segment }“
    [youngest] Am jüngsten, und mit einem Produkt
    [most] { $count ->
        [one] Mit den meisten Produkten: { $count }
       *[other] Mit den meisten Produkten: { $count }
    }
    [newest] Zuletzt ein Produkt eröffnet
    [nothing] Noch ohne Produkt
   *[lately] Vor Kurzem ein Produkt eröffnet
}
no-product-left-do = Lassen Sie mehr Risiko oder mehr Interessen zu, oder lassen Sie weniger Produkte aus. Darunter steht, was nicht angeboten wird und warum.
reasons-follow = Die Gründe folgen ...
reasons-not-exported = Diese Version wurde ohne das exportiert, was Gründe brauchen.
reasons-need-package = Gründe brauchen ein weiteres Paket: { $package }
card-details = Alles dazu
card-why = Warum dieses Produkt?
card-probability = { $probability } in { $days } Tagen
card-risk = Risiko { $risk } von { $most }
card-without = ohne { $title }
card-product-id = Produkt
chance = { $how ->
    [rarely] weniger als 1 von { $odds }
    [often] etwa { $odds } von 10
   *[other] etwa 1 von { $odds }
} { $unit ->
    [months] in { $time } Monaten
   *[days] in { $time } Tagen
}
chance-against = { $how ->
    [over-ten] , über das 10-Fache des Durchschnitts
    [times] , das { $times }-Fache des Durchschnitts
    [more] , mehr als der Durchschnitt
    [less] , weniger als der Durchschnitt
   *[about] , etwa der Durchschnitt
}
match = { $place ->
    [1] passt am besten von { $count }
   *[other] passt am { $place }.-besten von { $count }
}
excluded-none = Jedes Produkt darf angeboten werden.
excluded-held = { $count } schon vorhanden
excluded-filters = { $count } durch Ihre Filter ausgeschlossen
excluded-rules = { $count } durch die Regeln ausgeschlossen
excluded = Nicht angeboten: { $count } von { $total } Produkten ({ $kinds })
excluded-reason = { $reason ->
    [held] schon vorhanden
    [exclude] auf Wunsch ausgelassen
    [categories] nicht unter den Interessen
   *[max_risk] riskanter als gewünscht
}
excluded-customer-has = Beim Kunden: { $column } { $value }.
excluded-asks-for = { $product }: verlangt { $value }
not-known = nicht bekannt
