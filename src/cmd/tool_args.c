// tool_args.c: see tool_args.h.
#include "cmd/tool_args.h"

#include "base/error.h"
#include "base/str.h"

static const struct tool_flag *flag_find(const struct tool_flag *flags, u32 count, str word)
{
    const bool is_long = str_starts(word, STR("--"));
    const size_t end = str_find(word, '=');
    const str name = str_sub(word, is_long ? 2 : 1, is_long && end != STR_NONE ? end : word.len);
    for (u32 i = 0; i < count; i++) {
        const bool is_letter = !is_long && name.len == 1 && name.ptr[0] == flags[i].letter;
        if (is_letter || (is_long && str_eq_c(name, flags[i].name))) {
            return &flags[i];
        }
    }
    return NULL;
}

static bool flag_take(const struct tool_flag *f, str value, struct error *e)
{
    if (f->list == NULL) {
        *f->value = value;
        return true;
    }
    if (f->list->count == TOOL_LIST_MAX) {
        return err_set(e, ERR_LIMIT, "more than %u of --%s", TOOL_LIST_MAX, f->name);
    }
    f->list->items[f->list->count++] = value;
    return true;
}

// The flag at argv[*i], which is moved to its value if that is a word of its own.
static bool flag_parse(int argc, char **argv, int *i, const struct tool_flag *flags, u32 count,
                       struct error *e)
{
    const str word = str_c(argv[*i]);
    const struct tool_flag *f = flag_find(flags, count, word);
    const size_t end = str_find(word, '=');
    if (f == NULL) {
        return err_set(e, ERR_INVALID, "unknown flag %s", argv[*i]);
    }
    if (f->is_set != NULL) {
        *f->is_set = true;
        return end == STR_NONE || err_set(e, ERR_INVALID, "--%s takes no value", f->name);
    }
    if (str_starts(word, STR("--")) && end != STR_NONE) {
        return flag_take(f, str_sub(word, end + 1, word.len), e);
    }
    if (*i + 1 >= argc) {
        return err_set(e, ERR_INVALID, "--%s wants a value", f->name);
    }
    (*i)++;
    return flag_take(f, str_c(argv[*i]), e);
}

bool tool_args_parse(int argc, char **argv, const struct tool_flag *flags, u32 flag_count,
                     struct tool_words *words, struct error *e)
{
    bool flags_end = false;
    for (int i = 0; i < argc; i++) {
        const str word = str_c(argv[i]);
        if (!flags_end && str_eq(word, STR("--"))) {
            flags_end = true;
        } else if (!flags_end && word.len > 1 && word.ptr[0] == '-') {
            if (!flag_parse(argc, argv, &i, flags, flag_count, e)) {
                return false;
            }
        } else if (words->count == TOOL_WORDS_MAX) {
            return err_set(e, ERR_INVALID, "unexpected %s", argv[i]);
        } else {
            words->items[words->count++] = word;
        }
    }
    return true;
}
