// match.h: label matchers: = != =~ !~; regular expressions are RE2, fully anchored, dot matches
// newline. A missing label is the empty string.
//
// Literal, prefix, alternation and match-all shortcuts are taken before RE2 (regex floor).
// Threads: frozen after matcher_new.
#ifndef MODEL_MATCH_H
#define MODEL_MATCH_H

#include "base/base.h"
#include "model/labels.h"

struct error;

enum match_op { MATCH_EQ, MATCH_NE, MATCH_RE, MATCH_NRE };

struct re; // text/re.h

struct matcher {
    enum match_op op;
    str name;
    str value;
    struct re *re; // MATCH_RE and MATCH_NRE only; freed with the arena it was made in.
};

// Copies name and value into the arena; compiles the expression (ERR_INVALID with RE2's reason).
bool matcher_init(struct matcher *m, struct arena *a, enum match_op op, str name, str value,
                  struct error *e) MUST_USE;
bool matcher_matches(const struct matcher *m, str value);
bool matcher_matches_empty(const struct matcher *m);
bool matchers_match(const struct matcher *ms, u32 count, struct labels ls);
const char *match_op_text(enum match_op op);
// name op "value", the value quoted as Go quotes.
void matcher_print(struct buf *out, const struct matcher *m);
void matchers_print(struct buf *out, const struct matcher *ms, u32 count); // {a="b",c=~"d"}

#endif
