/* The sampler as a custom call of XLA: what Python does for a batch of its own in `_compiled.py` is
 * done here, once the compiled program of somebody else hands over its buffers.
 *
 * All that is known when the program is compiled comes as an attribute: the structures of warp.h and
 * the constants they point to, packed into one image. Pointers are missing in it; another attribute
 * lists them.
 */
#include "pool.h"
#include "third_party/xla/ffi/api/c_api.h"

#include <stdlib.h>
#include <string.h>

/* One pointer of the image: its place, and what it points to: a byte of a buffer (arguments first,
 * results behind them), or of the image itself. */
typedef struct {
    int64_t place, buffer, offset;
} Pointer;

enum { IMAGE = -1 };

static XLA_FFI_Error *failure(const XLA_FFI_CallFrame *frame, XLA_FFI_Error_Code code,
                              const char *message)
{
    XLA_FFI_Error_Create_Args args = {XLA_FFI_Error_Create_Args_STRUCT_SIZE, 0, message, code};
    return frame->api->XLA_FFI_Error_Create(&args);
}

/* XLA asks so when a handler is registered. Fields that newer versions have added keep the zeros
 * that XLA has put there. */
static int answered_metadata(const XLA_FFI_CallFrame *frame)
{
    const XLA_FFI_Extension_Base *first = frame->extension_start;
    if (!first || first->type != XLA_FFI_Extension_Metadata)
        return 0;
    XLA_FFI_Metadata *metadata = ((const XLA_FFI_Metadata_Extension *)first)->metadata;
    metadata->api_version.major_version = XLA_FFI_API_MAJOR;
    metadata->api_version.minor_version = XLA_FFI_API_MINOR;
    metadata->traits = 0;
    return 1;
}

static const void *attribute(const XLA_FFI_Attrs *attrs, const char *name, XLA_FFI_AttrType type)
{
    for (int64_t i = 0; i < attrs->size; i++) {
        const XLA_FFI_ByteSpan *found = attrs->names[i];
        if (attrs->types[i] == type && found->len == strlen(name) &&
            !memcmp(found->ptr, name, found->len))
            return attrs->attrs[i];
    }
    return 0;
}

static const XLA_FFI_Buffer *buffer_of(const XLA_FFI_CallFrame *frame, int64_t number)
{
    const XLA_FFI_Args *args = &frame->args;
    const XLA_FFI_Rets *rets = &frame->rets;
    if (number < 0 || number >= args->size + rets->size)
        return 0;
    return number < args->size ? args->args[number] : rets->rets[number - args->size];
}

/* Whoever hands in an image has made it with the library at hand; a program that was compiled with
 * another one must not come this far. */
static int pointed(const XLA_FFI_CallFrame *frame, char *image, int64_t size,
                   const XLA_FFI_Array *pointers)
{
    const Pointer *all = pointers->data;
    const int64_t count = (int64_t)(pointers->size * sizeof(int64_t) / sizeof(Pointer));
    for (int64_t i = 0; i < count; i++) {
        const Pointer *p = all + i;
        const XLA_FFI_Buffer *buffer = buffer_of(frame, p->buffer);
        if ((!buffer && p->buffer != IMAGE) || p->place < 0 ||
            p->place + (int64_t)sizeof(char *) > size)
            return 0;
        char *address = buffer ? buffer->data : image;
        /* A buffer of no bytes need not be anywhere. */
        address = address ? address + p->offset : 0;
        memcpy(image + p->place, &address, sizeof(char *));
    }
    return 1;
}

/* Whether there was memory for all of it. */
static int work(Batch *batch, int64_t n_records, int32_t *left, int helpers)
{
    int64_t next = 0;
    int32_t nonfinite = 0, no_memory = 0;
    /* The structures are in the image, which is ours to write to. */
    PointwiseProgram *pointwise = (PointwiseProgram *)batch->pointwise;
    for (int32_t k = 0; k < batch->n_pointwise; k++)
        pointwise[k].n_records = n_records;
    for (int64_t i = 0; i < n_records; i++)
        left[i] = batch->blocks;
    batch->n_records = n_records, batch->left = left;
    batch->next = &next, batch->nonfinite = &nonfinite, batch->no_memory = &no_memory;
    Job job = {.batch = batch}, *jobs[] = {&job};
    if (helpers > 0)
        multiaug_start(&job, helpers);
    multiaug_finish(jobs, 1);
    return !no_memory;
}

/* Attributes: `abi` (int64) of the library that the image was made with; `helpers` (int64), how many
 * further threads may work; `image` and `pointers` (arrays of int64). All results have records on
 * their leading axis. */
XLA_FFI_Error *multiaug_custom_call(XLA_FFI_CallFrame *frame)
{
    if (answered_metadata(frame))
        return 0;
    if (frame->stage != XLA_FFI_ExecutionStage_EXECUTE)
        return 0;
    const XLA_FFI_Scalar *abi = attribute(&frame->attrs, "abi", XLA_FFI_AttrType_SCALAR);
    const XLA_FFI_Scalar *helpers = attribute(&frame->attrs, "helpers", XLA_FFI_AttrType_SCALAR);
    const XLA_FFI_Array *image = attribute(&frame->attrs, "image", XLA_FFI_AttrType_ARRAY);
    const XLA_FFI_Array *pointers = attribute(&frame->attrs, "pointers", XLA_FFI_AttrType_ARRAY);
    if (!abi || !helpers || !image || !pointers || frame->rets.size < 1 ||
        *(const int64_t *)abi->value != multiaug_abi())
        return failure(frame, XLA_FFI_Error_Code_FAILED_PRECONDITION,
                       "multiaug: this program was compiled for another version of multiaug. "
                       "Compile it again.");
    const XLA_FFI_Buffer *result = frame->rets.rets[0];
    const int64_t n_records = result->rank ? result->dims[0] : 0;
    const int64_t size = (int64_t)image->size * (int64_t)sizeof(int64_t);
    char *memory = malloc((size_t)size + (size_t)n_records * sizeof(int32_t));
    if (!memory)
        return failure(frame, XLA_FFI_Error_Code_RESOURCE_EXHAUSTED,
                       "multiaug: no memory for the description of a batch.");
    XLA_FFI_Error *error = 0;
    memcpy(memory, image->data, (size_t)size);
    if (pointed(frame, memory, size, pointers)) {
        if (!work((Batch *)memory, n_records, (int32_t *)(memory + size),
                  (int)*(const int64_t *)helpers->value))
            error = failure(frame, XLA_FFI_Error_Code_RESOURCE_EXHAUSTED,
                            "multiaug: no memory for the rows that are filtered, or for the values that are sorted.");
    } else
        error = failure(frame, XLA_FFI_Error_Code_INVALID_ARGUMENT,
                        "multiaug: the description of a batch does not fit its buffers.");
    free(memory);
    return error;
}

/* The version of XLA's interface that this file was written for. */
void multiaug_ffi_version(int version[2])
{
    version[0] = XLA_FFI_API_MAJOR, version[1] = XLA_FFI_API_MINOR;
}
