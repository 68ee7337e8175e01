"""Egyptian names with letters and marks that are hard to shape, to search and to copy."""

import itertools
import random

_FIRST = """
أحمد محمد محمود إبراهيم إسلام آلاء آمال أمينة إيمان إيهاب فاطمة مُصْطَفى لؤي رؤوف هناء سَلْمى
عليّ يحيى ليلى هدى الجوهرة جيهان حجاج نجلاء نجم مجدي خالد لحظة لجين لمياء لميس بلال جلال دلال
كلثوم ملك كمال بهجت تحية ثريا نهى عبد الله هبة الله جاد الرب علاء الدين لا لالا ضياء شيماء ظافر
غادة قمر ياسمين حسيـن محـمـد
"""
_FATHER = """
عبد_الرحمن عبد_اللاه عبد_الجليل عبد_الحليم أبو_العلا أبو_بكر سيف_الإسلام نور_الإيمان جمال_الدين
الحسين المتولي الششتاوي مختار محفوظ نجيب حجازي لملوم فتح_الله خلف_الله بسيوني تهامي يونس شنودة
جرجس بطرس مينا كيرلس عزّت رأفت
"""
_GRANDFATHER = """
السيد الجيار المنجي النجار الحاج اللبان اللمعي الآغا الأمير الإمام الألفي لبيب بهي تميم ثابت
حمزة ضاحي طٰه يٰس مَحْمُود مُحَمَّد أحمدي الخولي القاضي بخيت
"""
_FAMILY = """
الجيزاوي الشافعي الإسكندراني الأسيوطي المحلاوي البحيري الهلالي الجلالي اللاوندي الملاح الفلاح
صلاح_الدين الجنجيهي السنهوري الحمصي المصري الألباني آل_سعود گلشن چيني ڤيكتور پاشا هیبت کامل
بن_يحيى Smith ٢ 3 الثاني الثالث۲
"""
"""`_` is a blank within a name."""


def corpus(count):
    """Different names of four parts, always the same; each part occurs."""
    parts = [words.split() for words in (_FIRST, _FATHER, _GRANDFATHER, _FAMILY)]
    chosen = random.Random(7)
    rows = itertools.islice(zip(*map(itertools.cycle, parts), strict=True), max(map(len, parts)))
    names = dict.fromkeys(" ".join(row).replace("_", " ") for row in rows)
    while len(names) < count:
        names[" ".join(map(chosen.choice, parts)).replace("_", " ")] = None
    return list(names)
