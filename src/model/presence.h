/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_MODEL_PRESENCE_H
#define VV_MODEL_PRESENCE_H

#include "varve.h"

/** The first of so many rows for which no column has a value; `rows`: there is none. */
size_t vv_columns_find_empty(const varve_column *columns, size_t count, size_t rows);

#endif
