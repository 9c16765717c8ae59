/* Sums, squares and extremes of the columns of a table of integers. */
#ifndef MULTIAUG_MOMENTS_H
#define MULTIAUG_MOMENTS_H

#include <stdint.h>

enum { COLUMN_U8, COLUMN_I8, COLUMN_U16, COLUMN_I16 };

/* Results are added to what is there; extremes are stretched. Squares must not leave 63 bits: of
 * bytes 2^47 rows, of 16 bits 2^31. */
typedef struct Columns {
    const void *rows; /* (count, width), one row behind the other */
    int64_t count, width;
    int64_t *sums, *squares;     /* (width,), of x - shift and (x - shift)^2 */
    int64_t *valid;              /* (width,), values that are not `mark` */
    void *low, *high;            /* (width,), of the type of the rows */
    int32_t type, shift;
    int32_t has_mark, mark; /* values that are left out; of the type of the rows */
} Columns;

#endif
