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

page-heading = Die nächsten passenden Produkte · Version { $version } · Stand { $day }, { $age ->
    [0] heute
    [one] vor { $age } Tag
   *[other] vor { $age } Tagen
}
data-old = veraltet
data-old-more = Die { $days } Tage danach, für die die Wahrscheinlichkeiten gelten, sind vorbei. Bitten Sie um neuere Daten.
data-too-old = die Daten haben den Stand { $day } und sind { $count } Tage alt; erlaubt sind höchstens { $most }
data-too-old-do = bitten Sie um neuere Daten (`nextbest refresh`) oder um eine Seite, die mit --any-age geöffnet ist
languages = Sprache
no-customer = Kein Kunde ausgewählt
no-customer-do = Suchen Sie einen Kunden nach seiner Nummer, oder laden Sie ein Profil hoch.
no-such-customer = es gibt keinen Kunden { $customer }
no-such-customer-do = suchen Sie unter den { $count } Kunden nach einem Teil der Nummer, oder laden Sie ein Profil hoch
no-product-left = Kein Produkt bleibt übrig
reasons-unavailable = Diese Version nennt keine Gründe.

## Beschriftungen

label-done = Fertig
label-queue = In der Warteschlange: Platz {"{position}"} von {"{size}"}
label-top = Produkte
label-appetite = Risikobereitschaft
label-categories = Interessen (keine: alle)
label-exclude = Auslassen
label-upload = Profil hochladen
label-upload-file = CSV oder Parquet, bis
label-upload-row = Kunde der Datei
label-tab-desk = Beratung
label-print = Drucken

## Suche

search-label = Kunde
search-placeholder = Nummer, Name oder Merkmal
search-found = Gefundene Kunden
search-nobody = So ist kein Kunde

## Filter

appetite = { $name ->
    [own] Eigene
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
held-unknown = Produkte nicht bekannt
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
upload-unknown = { $count } davon bisher unbekannt. Ohne die Liste held_products gibt es eine Reihenfolge, aber keine Wahrscheinlichkeit.
upload-known = Ihre Produkte sind bekannt.
upload-template = Vorlage herunterladen (CSV)
upload-too-many = sie hat { $count } Kunden, und die Seite zeigt höchstens { $most } einzeln
upload-too-many-do = bewerten Sie sie im Reiter Kundendatei, oder laden Sie einen Teil hoch
upload-unusable = Diese Datei kann nicht verwendet werden.
upload-see-beside = Die Probleme stehen daneben.
problems = Probleme der Datei
problems-count = { $count ->
    [one] Diese Datei kann nicht verwendet werden: { $count } Problem.
   *[other] Diese Datei kann nicht verwendet werden: { $count } Probleme.
}
problems-more = Von { $count } Ursachen sind die ersten { $shown } zu sehen.
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
no-probability = ohne Wahrscheinlichkeit: die Produkte des Kunden sind nicht bekannt
no-probability-do = Weder die Daten der Bank noch die Datei sagen, welche Produkte der Kunde hat. Darum gibt es eine Reihenfolge, aber weder Wahrscheinlichkeit noch Gründe.
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
excluded-unknown = „{ $column }“ ist unbekannt
excluded-reason = { $reason ->
    [held] schon vorhanden
    [exclude] auf Wunsch ausgelassen
    [categories] nicht unter den Interessen
   *[max_risk] riskanter als gewünscht
}
excluded-customer-has = Beim Kunden: { $column } { $value }.
excluded-asks-for = { $product }: verlangt { $value }
not-known = nicht bekannt

### Gründe

reason-group = { $kind ->
    [age] Alter
    [income] Einkommen
    [balances] Guthaben und Salden
    [time] Daten und Dauern
    [numbers] Kennzahlen und Anzahlen
    [facts] Lebensumstände
    [protected] geschützte Merkmale
    [held] vorhandene Produkte
    [recent] Aktivität der letzten Zeit
   *[refused] abgelehnte Angebote
}
not-shown = wird nicht gezeigt
none = keine
some-more = { $values } und { $count ->
    [one] ein weiteres
   *[other] { number-word } weitere
}

## Was über einen Kunden gesagt wird, der das Subjekt ist

said-age = { $years ->
    [one] ist { $years } Jahr alt
   *[other] ist { $years } Jahre alt
}
said-number = hat bei „{ $label }“ den Wert { $value }
said-number-compared = liegt bei „{ $label }“ { $how ->
    [above] höher
   *[below] niedriger
} als { others }
said-nothing = hat bei „{ $label }“ den Wert 0
said-count = hat bei „{ $label }“ die Anzahl { $count }
said-tenure = ist seit { $unit ->
    [years] { $count ->
        [0] weniger als einem Jahr
        [one] einem Jahr
       *[other] { number-word } Jahren
    }
   *[months] { $count ->
        [0] weniger als einem Monat
        [one] einem Monat
       *[other] { number-word } Monaten
    }
} bei der Bank
said-since = ist seit { $year } bei der Bank
said-marked = { $answer ->
    [yes] ist mit „{ $label }“ vermerkt
   *[no] ist nicht mit „{ $label }“ vermerkt
}
said-segment = gehört zum Segment „{ $segment }“
said-listed = ist unter „{ $label }“ mit „{ $value }“ vermerkt
said-held = hat { $products }
said-held-none = hat noch kein Produkt
said-recent = hat sich zuletzt für { $products } interessiert
said-recent-none = hat sich zuletzt für nichts interessiert
said-closed = hat zuletzt { $products } beendet
said-refused-none = hat zuletzt kein Angebot abgelehnt
this-product = genau dieses Produkt
products-count = { $count ->
    [one] { number-word } Produkt
   *[other] { number-word } Produkte
}
products-of = { products-count } der Art „{ $category }“
products-like = Produkte der Art „{ $category }“
number-by-period = { $number } { $period ->
    [year] im Jahr
    [month] im Monat
    [week] in der Woche
    [day] am Tag
   *[other] pro { $period }
}
compared = { $how ->
    [older] älter als { others }
    [younger] jünger als { others }
    [above] mehr als { others }
    [below] weniger als { others }
    [more] mehr als { others }
    [fewer] weniger als { others }
    [longer] länger als { others }
   *[shorter] kürzer als { others }
}
others = { $others ->
    [segment] die meisten im Segment
   *[all] die meisten Kunden
}

## Die Sätze

reasons-sum = { $reasons }; Kunden in ähnlicher Lage wählen es { $often ->
    [little] etwas öfter als
    [more] öfter als
    [twice] etwa doppelt so oft wie
    [times] etwa { number-word }mal so oft wie
   *[many] mehr als zehnmal so oft wie
} der Durchschnitt
reasons-instead = { $how ->
    [less] { $popular ->
        [yes] bei vielen Kunden beliebt, hier aber weniger wahrscheinlich als im Durchschnitt
       *[no] hier weniger wahrscheinlich als im Durchschnitt aller Kunden
    }
    [alike] { $popular ->
        [yes] bei vielen Kunden beliebt, und hier etwa so wahrscheinlich wie im Durchschnitt
       *[no] hier etwa so wahrscheinlich wie im Durchschnitt aller Kunden
    }
   *[more] hier wahrscheinlicher als im Durchschnitt aller Kunden, ohne dass ein einzelner Grund hervorsticht
}
compare-alike = { $first } und { $second } sind hier etwa gleich wahrscheinlich, mit je { $figure }.
compare = { $first } steht vor { $second }, mit { $figure } gegenüber { $other }. { $why }
compare-reasons = Dieser Kunde { $reasons }; das spricht mehr für das erste Produkt.
compare-popular = Es wird allgemein öfter gewählt, im Durchschnitt mit { $figure } gegenüber { $other }.
compare-none = Kein einzelner Grund sticht hervor.

### Was die Modelle sehen

feature = { $name ->
    [popularity] Beliebtheit und ihre Entwicklung
    [product_id] das Produkt selbst
    [retrieval_score] Passung von Kunde und Produkt
    [co_holding] wird zusammen gehalten
    [next_after] wird von solchen Kunden als Nächstes gekauft
    [ease] was meist mit dem Bestand einhergeht
    [cosine] was dem Bestand ähnlich ist
    [conditional] Anteil unter Kunden mit solchem Bestand
    [seen] Interesse am Produkt in letzter Zeit
    [own_closure] Beendigung des Produkts
    [own_refusal] Ablehnung des Produkts
    [held_count] Anzahl vorhandener Produkte
    [same_group] Bestand mit gleichem Wert von „{ $first }“
    [segment_popularity] Beliebtheit im Segment
    [gap] Abstand von „{ $first }“ und „{ $second }“
    [category_crosses] was solche Kunden wählen
    [held] Bestand
    [recent] zuletzt angesehene Produkte
    [closed] beendete Produkte
   *[refused] abgelehnte Produkte
}
feature-kind = { $kind ->
    [customer] Kunde
    [product] Produkt
   *[cross] beide
}
features-others = { $count } weitere Merkmale
feature-ratio = { $name ->
    [popularity] das { $times }-Fache eines mittleren Produkts
    [segment_popularity] { $times }-mal so oft wie unter allen
   *[co_holding] bis zu { $times }-mal so oft wie üblich
}
feature-level = { $feature } ({ $level ->
    [high] hoch
    [higher] eher hoch
    [low] niedrig
    [lower] eher niedrig
    [late] spät
    [later] eher spät
    [early] früh
    [earlier] eher früh
    [usual-time] zu üblicher Zeit
    [several-typical] üblich
   *[typical] üblich
})
feature-unknown = { $feature } (unbekannt)
feature-is = { $answer ->
    [yes] { $feature } (ja)
   *[no] { $feature } (nein)
}
feature-the = { $feature }
feature-value = { $feature } ({ $value })
feature-none-yet = { $feature } (noch nichts)
feature-happened = { $answer ->
    [yes] { $feature } (ja)
   *[no] { $feature } (nein)
}
no-products-yet = noch keine Produkte
unknown = unbekannt
with-value = „{ $column }“ { $value }
group-held = { $count ->
    [0] noch nichts mit { $group }
   *[other] { $count } vorhanden mit { $group }
}
against = { $value } gegenüber { $other }
list-and-more = { $names } und { $count } weitere
nothing-stands-out = nichts sticht hervor
raises = { $several ->
    [yes] dafür sprechen: { $features }
   *[no] dafür spricht: { $features }
}
lowers = { $several ->
    [yes] dagegen sprechen: { $features }
   *[no] dagegen spricht: { $features }
}

### Profil

label-tab-profile = Profil
profile-compared = Verglichen mit { $count } Kunden im Segment „{ $segment }“.
profile-no-segment = Es gibt kein Segment; { $count } Kunden sind bekannt.
profile-group = { $group ->
    [money] Geld
    [share] Anteile und Sätze
    [count] Anzahlen und Kennzahlen
    [time] Zeit
    [dates] Tage
   *[measure] Andere Größen
}
profile-others = Andere Merkmale
profile-attribute = Merkmal
profile-value = Wert
profile-shared-by = Ebenso bei
profile-percentile = Rang
profile-percentile-note = wie viele von 100 Kunden des Segments darunter liegen
profile-middle-half = Mittlere Hälfte des Segments
profile-share = { $peers ->
    [segment] { $share } des Segments
   *[all] { $share } aller Kunden
}
profile-under = unter { $share }
range = { $low } bis { $high }
nothing-held = Noch keine Produkte
nothing-held-more = Vom Kunden ist kein Produkt bekannt.
holdings = Bestand
holdings-caption = Vorhandene Produkte, das neueste zuerst
column-product = Produkt
column-category = Art
column-since = Seit
column-on = Am
refused-lately = Zuletzt abgelehnt
refused-caption = Abgelehnte Produkte, das neueste zuerst

### Warum

label-tab-why = Warum
label-why-product = Produkt
label-why-other = Vergleichen mit
label-why-more = Für Fachleute
label-why-picture = Die Gründe, wie shap sie zeichnet
label-why-ranking = Merkmale der Wahrscheinlichkeit
label-why-retrieval = Merkmale der Passung
why-no-other = Kein anderes Produkt
nothing-to-explain = Es gibt nichts zu erklären.
not-explainable = Diese Version kann nicht erklärt werden.
matters-over-all = Was bei allen Kunden zählt
not-measured = Nicht gemessen
not-measured-more = Diese Version wurde ohne eine Stichprobe von Erklärungen exportiert.
average-customer = Der Durchschnitt
this-customer = Dieser Kunde
column-known = Was bekannt ist
column-of-customer = Bei diesem Kunden
column-steps = Von der durchschnittlichen Wahrscheinlichkeit zu dieser
column-adds = Beitrag
percentage-points = Prozentpunkte
why-caption = Was zur Wahrscheinlichkeit von { $product } führt
typical-score = Ein üblicher Wert
this-score = Dieser Wert
score-with-probability = { $score }: { $probability }
column-feature = Merkmal
column-score-steps = Von einem üblichen Wert zu diesem
feature-adds-note = { $stage ->
    [ranking] Log-Odds; 0,69 verdoppelt die Quote
   *[retrieval] Kosinus
}
score-caption = Was zum Wert von { $product } führt
column-lowers-raises = Senkt den Wert · erhöht ihn
column-on-average = Im Mittel
column-on-average-note = Mittel des Betrags der Beiträge
beeswarm-about = Ein Punkt ist ein Kunde mit einem Produkt; das äußerste 1 % liegt am Rand.
beeswarm-little = wenig davon
beeswarm-much = viel
beeswarm-caption = Was insgesamt zählt
compare-products = Was verglichen wird
compare-caption = { $first } neben { $second }
compare-same = Für beide gleich: { $facts }
column-match = Passung
column-reasons = Gründe
picture-alt = Wasserfall in Prozentpunkten: { $largest }

### Umfeld

label-tab-neighbourhood = Umfeld
label-map = Produkte und Kunde nach Ähnlichkeit
map-similar-customers = Ähnliche Kunden
map-similar = Die { $count } ähnlichsten Kunden
map-similarity = Ähnlichkeit
map-colours = Farben der Karte
map-about = Die Karte ist eine Projektion: Sie zeigt { $share } der Unterschiede zwischen Produkten; für die Passung zählen alle.
map-table = Die Karte als Tabelle: die { $count } nächsten Produkte
map-recommended-as = Empfohlen als
map-recommended = Nummer { $place }
column-similarity = Ähnlichkeit
neighbours-too-few = Kein Vergleich mit ähnlichen Kunden
neighbours-too-few-more = Es sind zu wenige bekannt für Zahlen, die niemanden erkennen lassen.
neighbours-privacy = Was dieser Kunde hat, ist ausgelassen. Anteile sind gerundet, und Produkte weniger Kunden werden nicht genannt, damit niemandes Bestand verraten wird.
neighbours-hold = Was die { $count } ähnlichsten Kunden haben
neighbours-opened = Was sie in den letzten { $months } Monaten eröffnet haben
neighbours-held-by = Vorhanden bei etwa
neighbours-opened-by = Eröffnet von etwa
neighbours-share = { $share }, das { $times }-Fache des Üblichen
neighbours-share-note = der { $count } ähnlichsten Kunden, gerundet; daneben der Vergleich mit allen Kunden
neighbours-nothing = Nichts gemeinsam
neighbours-nothing-more = Kein Produkt haben genug von ihnen.

### Was wäre, wenn

label-tab-whatif = Was wäre, wenn
label-compare = Vergleichen
label-keep = Änderungen behalten
label-reset = Neu beginnen
label-yes = ja
label-no = nein
label-day = JJJJ-MM-TT
not-compared = Noch nichts verglichen
not-compared-do = Ändern Sie oben etwas, und vergleichen Sie dann.
no-attributes = Es gibt nichts zu ändern
no-attributes-more = Die Modelle kennen von Kunden nur den Bestand.
nothing-changed = Nichts wurde geändert.
nothing-changed-do = Ändern Sie etwas, und vergleichen Sie dann.
not-readable = Das ist nicht lesbar.
usually = meist { $low } bis { $high }
no-sense = { $label }: { $value } ergibt keinen Sinn
give-at-least = geben Sie { $value } oder mehr ein
give-at-most = geben Sie höchstens { $value } ein
not-a-day = { $label }: { $value } ist kein Tag
write-a-day = schreiben Sie ihn als 2024-01-31
gone = entfällt
new = neu
points = { $change } Punkte
as-it-is = Wie es ist
with-changes = Mit den Änderungen
now-suitable = { $count ->
    [one] { $count } Produkt jetzt geeignet
   *[other] { $count } Produkte jetzt geeignet
}
no-longer-suitable = { $count ->
    [one] { $count } Produkt nicht mehr geeignet
   *[other] { $count } Produkte nicht mehr geeignet
}
column-probability = Wahrscheinlichkeit
column-change = Änderung
all-excluded = Die Regeln oder die Filter schließen alle aus.

### Nach Produkt

label-tab-by-product = Nach Produkt
label-by-product = Produkt
label-by-product-reasons = Gründe für alle nennen
no-product = Kein Produkt ausgewählt
no-product-do = Wählen Sie ein Produkt, um zu sehen, zu wem es am besten passt.
no-customers = Keine Kunden bekannt
no-customers-more = Diese Version wurde ohne ihre Kunden exportiert.
audience-looking = Passende Kunden werden gesucht ...
audience-unavailable = Diese Version kann das nicht sagen.
audience-filtered = Ihre Filter schließen dieses Produkt aus: { $reason }.
audience-filtered-do = Ändern Sie sie oben.
audience = { $among ->
    [all] Von allen { $customers } Kunden
   *[drawn] Von { $looked_at } zufällig gezogenen der { $customers } Kunden
} darf { $may_have } „{ $product }“ angeboten werden; { $hold } haben es schon, und { $kept_out } sind durch die Regeln ausgeschlossen. Die wahrscheinlichsten stehen oben.
audience-nobody = Niemandem darf es angeboten werden
audience-nobody-more = Wer es nicht schon hat, ist durch die Regeln ausgeschlossen.
audience-open = In der Beratung öffnen
audience-caption = Zu wem „{ $product }“ am besten passt
column-customer = Kunde
column-chance = Chance
column-why = Warum

### Modelle

label-tab-models = Modelle
label-model-card = Modellkarte
no-report = Es gibt keinen Bericht
no-report-more = Diese Version wurde exportiert, bevor Berichte dazugehörten.
version-approved = Version { $version } ist freigegeben.
version-not-approved = Version { $version } ist nicht freigegeben.
version-forced = Version { $version } ist nicht freigegeben und wurde erzwungen.
the-version = Die Version
fact-version = Version
fact-pushed = Veröffentlicht
fact-data-until = Daten bis
fact-looks-ahead = Blickt voraus
fact-measured-on = Gemessen
fact-loads = Lädt in einem neuen Prozess
fact-index = Index
fact-copy-of = Kopie von
days = { $count } Tage
no-because = nein: { $problems }
copy-of-version = Version { $version }
index-reason = Wie der Index gewählt wurde: { $reason }.
column-model = Modell
column-interval = Intervall
column-interval-note = { $level }-Intervall, Bootstrap über Kunden
column-of-best = Vom Bestmöglichen
measured-about = { $customers } Kunden, die nach dem { $day } { $products } Produkte kauften.
how-good = Wie gut es ist
how-good-caption = Kennzahlen aller Modelle
column-customers = Kunden
column-products = Produkte
column-shown = Anteil an den Plätzen
column-acquired = Anteil am Erworbenen
column-happened = Geschehen / gesagt
column-finding = Was belegt ist
column-fifth = { $place ->
    [1] Unbeliebtestes Fünftel
    [2] Zweites
    [3] Drittes
    [4] Viertes
   *[other] Beliebtestes Fünftel
}
column-gini = Gini
column-coverage = Abdeckung
popularity-title = Das Beliebte und der Rest
popularity-about = Alle Produkte danach, wie oft sie zuvor erworben wurden, in fünf gleich großen Teilen: der Anteil jedes Teils an den ersten { $k } Plätzen. Gini ist 0, wo alle gleich oft gezeigt werden; Abdeckung ist der Anteil der Produkte, die überhaupt jemand sieht.
by-group-and-product = Nach Gruppen, und wie sich die Listen auf die Produkte verteilen
group-about = Jede Gruppe wird mit allen anderen verglichen, wenn beide mindestens { $least } Kunden haben. Als belegt gilt ein Unterschied erst nach der Korrektur für die Zahl der Gruppen (Holm).
group-by = { $name ->
    [known] Bekannt oder neu
    [tenure] Zeit als Kunde
   *[launch] Zeit im Angebot
}
group-label = { $label ->
    [known] Bekannt
    [new] Neu
    [yes] Ja
    [no] Nein
    [missing] Fehlt
   *[other] Alle anderen
}
group-band = { $low } bis { $high }{ $unit ->
    [years] {" "}Jahre
    [months] {" "}Monate
   *[none] {""}
}
group-last-band = { $low } { $unit ->
    [years] Jahre
   *[months] Monate
} und mehr
group-finding = { $finding ->
    [worse] schlechter als alle anderen
    [better] besser als alle anderen
    [more] es geschieht mehr als gesagt
    [less] es geschieht weniger als gesagt
    [few] zu wenige für einen Vergleich
   *[none] kein Unterschied belegt
}
metric-by = { $metric } nach { $column }
comparisons = { $count } Vergleiche
served = im Einsatz

### Kundendatei

label-tab-batch = Kundendatei
label-batch-file = Kunden, bis
label-batch-holdings = Ihre Produkte (freiwillig)
label-batch-format = Format
label-batch-all-the-same = Trotzdem bewerten
label-batch-all-the-same-more = Nicht lesbare Zeilen auslassen; unbekannte Nummern und Wörter als neu annehmen.
label-batch-run = Datei bewerten
label-batch-cancel = Abbrechen
label-batch-download = Herunterladen
label-batch-makers = Womit gemacht (JSON)
label-batch-problems = Alle Probleme als Datei (CSV)
batch-about = Bewertet jeden Kunden einer Datei, wie { $command } es tut. Was verstanden wurde, sehen Sie, bevor etwas bewertet wird.
batch-nothing-yet = Noch keine Datei bewertet
batch-nothing-yet-do = Laden Sie Kunden hoch, einen je Zeile; die Spalten sind die der Vorlage.
batch-no-file = Noch keine Datei.
batch-no-file-do = Laden Sie zuerst Kunden hoch.
batch-cancelled = Abgebrochen.
batch-cancelled-more = Nichts wurde geschrieben. Die Datei ist noch da und kann bewertet werden.
batch-waiting = Die Datei wird gelesen.
batch-waiting-more = Sie wartet, solange eine andere bewertet wird.
batch-failed = Die Datei konnte nicht bewertet werden.
batch-unusable = { $file } kann nicht verwendet werden: { $count ->
    [one] { $count } Problem
   *[other] { $count } Probleme
}.
batch-asked = Höchstens { $top } Produkte je Kunde.
batch-filters = Filter: { $filters }.
batch-no-filter = Kein Filter ist gesetzt.
batch-no-filter-was = Kein Filter war gesetzt.
batch-no-holdings = Ohne Datei: was der Export weiß. Spalten: „{ $id }“, „{ $product }“ und, falls bekannt, „{ $since }“.
batch-score = { $count ->
    [one] { $count } Kunden bewerten
   *[other] { $count } Kunden bewerten
}

## Was verstanden wurde

batch-understood = Was verstanden wurde
batch-can-be-scored = { $count ->
    [one] { $count } Kunde kann bewertet werden.
   *[other] { $count } Kunden können bewertet werden.
} Noch ist nichts bewertet.
batch-unknown-ids = Dem Export unbekannt
batch-recognised = Erkannte Spalten
batch-absent = Fehlende Spalten
batch-unknown-columns = Unbekannte Spalten
batch-unseen = Bisher unbekannte Werte
batch-for-example = { $count }, zum Beispiel { $example }
batch-products-held = Vorhandene Produkte
batch-held = { $count } { $source ->
    [file] aus der Datei der Produkte
    [lists] aus den Listen der Datei
   *[export] nach dem Stand des Exports
}
batch-check = Bitte prüfen:
batch-check-ids = { $unknown } von { $count } Kunden { $unknown ->
    [one] ist
   *[other] sind
} dem Export unbekannt{ $known ->
    [no] {""}
   *[other] , dessen Nummern wie { $known } aussehen
} (zum Beispiel { $example }).
batch-check-holdings = { $count ->
    [one] { $count } davon bringt keine Produkte mit, die der Export kennt: eine Reihenfolge, aber keine Wahrscheinlichkeit.
   *[other] { $count } davon bringen keine Produkte mit, die der Export kennt: eine Reihenfolge, aber keine Wahrscheinlichkeit.
}
batch-check-products = { $unknown } von { $count } vorhandenen Produkten kennt der Export nicht (zum Beispiel { $example }).
batch-check-formulas = { $count ->
    [one] { $count } Nummer beginnt
   *[other] { $count } Nummern beginnen
} mit { $signs } (zum Beispiel { $example }): Ein Tabellenprogramm liest so etwas in einer CSV-Datei als Formel, in einer Excel-Datei als Text.
batch-left-out = { $count ->
    [one] { $count } Zeile ist nicht lesbar und wird ausgelassen.
   *[other] { $count } Zeilen sind nicht lesbar und werden ausgelassen.
}
batch-first-customers = { $count ->
    [one] Der Kunde, wie er gelesen wurde
   *[other] Die ersten Kunden, wie sie gelesen wurden
}
batch-remarks = Anmerkungen
remark-unseen = { $count ->
    [one] { $count } Wert, der den Modellen unbekannt ist
   *[other] { $count } Werte, die den Modellen unbekannt sind
} (zum Beispiel { $example }; bekannt sind { $known })
remark-out-of-range = { $count ->
    [one] { $count } Wert
   *[other] { $count } Werte
} außerhalb von { $low } bis { $high } (zum Beispiel { $example })
remark-missing = { $count ->
    [one] { $count } fehlt
   *[other] { $count } fehlen
}

## Was herauskam

batch-customers-scored = Bewertete Kunden
batch-progress = { $done } von { $total } Kunden sind bewertet.
batch-left = { $rate } Kunden pro Sekunde. Noch etwa { $duration }.
duration = { $unit ->
    [second] 1 Sekunde
    [seconds] { $count } Sekunden
   *[minutes] { $count } Minuten
}
batch-scored = { $count ->
    [one] { $count } Kunde bewertet:
   *[other] { $count } Kunden bewertet:
}
batch-recommendations = { $count ->
    [one] { $count } Empfehlung
   *[other] { $count } Empfehlungen
} in { $duration }.
batch-first-recommendations = Die ersten { $count } Empfehlungen der Datei
column-rank = Platz

### Als Dienst

label-tab-service = Als Dienst
column-endpoint = Endpunkt
column-arguments = Angaben
column-answer = Antwort
service-about = Andere Programme nutzen dieselben Modelle mit
service-caption = Endpunkte des Dienstes
service-example = Ein Beispiel
endpoint-answer = { $name ->
    [recommend] Produkte mit Werten und Merkmalen; was ausgeschlossen ist und warum
    [profile] Merkmale im Vergleich zum Segment, Bestand
    [reasons] höchstens drei Sätze; Ausgangswert, Wahrscheinlichkeit und der Beitrag jeder Gruppe in Prozentpunkten
    [explain] Beiträge der Merkmale der Modelle, Ausgangswert, Wert und ein Satz
   *[score] eine Datei mit einer Zeile je Empfehlung
}

## Die gedruckte Seite

sheet-title = Die nächsten passenden Produkte für { $customer }
sheet-applied = Angewandte Regeln und Filter
sheet-filters = Filter: { $filters }
sheet-none = keine
sheet-about = Modellversion { $version }. Stand der Daten: { $day }, { $age ->
    [one] { $age } Tag alt.
   *[other] { $age } Tage alt.
}
sheet-printed = Gedruckt am
sheet-left-out = { $count ->
    [0] { $reason }: kein Produkt ausgelassen
    [one] { $reason }: 1 Produkt ausgelassen
   *[other] { $reason }: { $count } Produkte ausgelassen
}
