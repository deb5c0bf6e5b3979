// yaml_inner.h: what yaml's own files share: errors at a bare place.
//
// Threads: values.
#ifndef WIRE_YAML_INNER_H
#define WIRE_YAML_INNER_H

#include "base/error.h"
#include "wire/yaml.h"

struct yaml_spot {
    u32 line;
    u32 column;
};

// "file:line:col: message", line and caret. Yields false.
bool yaml_error_at(struct error *e, const struct yaml_doc *doc, struct yaml_spot spot,
                   enum err code, const char *message);

#endif
