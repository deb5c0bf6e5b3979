// head_image_form.h: numbers of the head image's format, for its writer and its reader.
// Bytes: docs/format/head-image.md
#ifndef TSDB_HEAD_IMAGE_FORM_H
#define TSDB_HEAD_IMAGE_FORM_H

#include "tsdb/head_window.h"
#include "tsdb/wal_record.h"

#define IMAGE_MAGIC       "TMHEADIM"
#define IMAGE_HEADER_USED (WAL_HEADER_BYTES - 4)
#define IMAGE_LATE_MAX    65536U // Samples of one record.

#endif
