// symtab.h: interned strings: every string once, named by a dense u32.
//
// intern O(length) expected; bytes live in an append-only store, so a str once given stays valid
// until symtab_free. Memory: the strings plus 9-14 bytes each.
// Threads: guarded by the owner's lock for interning; symtab_get, _place and _texts of known ids
// need no lock.
#ifndef MODEL_SYMTAB_H
#define MODEL_SYMTAB_H

#include "base/base.h"

#define SYMBOL_NONE UINT32_MAX

struct symtab;
struct symtab *symtab_new(u64 bytes_max);
void symtab_free(struct symtab *s);                // Accepts NULL.
u32 symtab_intern(struct symtab *s, str text);     // SYMBOL_NONE when bytes_max is met.
u32 symtab_find(const struct symtab *s, str text); // SYMBOL_NONE if absent.
str symtab_get(const struct symtab *s, u32 symbol);
// Where a symbol's text stands, for who asks often: symtab_texts takes a step less to find it.
u32 symtab_place(const struct symtab *s, u32 symbol);
void symtab_texts(const struct symtab *s, const u32 *places, u32 n, str *texts);
u32 symtab_count(const struct symtab *s);
u64 symtab_bytes(const struct symtab *s);

#endif
