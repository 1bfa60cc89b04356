#ifndef HETMAP_H
#define HETMAP_H

/* libhetmap: a network with its mapping, in a program of your own.

   A session is one network, opened with one mapping (hetmap map --out FILE) on this machine: its
   weights are where its kernels want them, its buffers are allocated, its work is recorded. Then:

       hetmap_session* session;
       if (hetmap_open("vgg3-fashion", "mapping.yaml", NULL, &session) != HETMAP_OK) {
           fprintf(stderr, "%s\n", hetmap_last_error());
           return 1;
       }
       hetmap_tensor image, scores;
       hetmap_input(session, 0, &image);
       hetmap_output(session, 0, &scores);
       memcpy(image.data, pixels, image.bytes);
       hetmap_run(session);
       ... ((const int32_t*)scores.data)[class] ...
       hetmap_close(session);

   Buffers are the session's own and stay where they are: a program writes into the inputs and reads
   from the outputs, and nothing is copied but what the mapping copies between devices.

   Threads. Different sessions may be used at the same time, each by a thread of its own. One
   session is used by one thread at a time; a run that is asked for while another one is going on
   ends with HETMAP_BUSY. The kernels of a mapping with several threads (2y) run on workers of the
   session, and while it is open the thread that opened it stays on the core where it is; sessions
   of one kernel thread start none and leave the caller where it was.

   Running opens no file and prints nothing, and where all of a mapping runs on the CPU, with any
   kernels but the reference's and oneDNN's, it allocates no memory; drivers of accelerators do what
   they do. No function ends the program, and none changes a signal's handler.

   Names that begin with hetmap_ or HETMAP_ are stable within a major version, and with 0.x within a
   minor one. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HETMAP_VERSION_MAJOR 0
#define HETMAP_VERSION_MINOR 1
#define HETMAP_VERSION_PATCH 0

/* Of the library that is loaded: "0.1.0". */
const char* hetmap_version(void);

typedef enum {
    HETMAP_OK = 0,
    HETMAP_MACHINE = 1, /* the machine or a defect: no memory, a device that fails */
    HETMAP_INPUT = 2, /* the model, the weights or the mapping: which file, line and key is said */
    HETMAP_BUSY = 3,  /* a run is going on */
    HETMAP_ARGUMENT = 4 /* of the call: no such input, a null pointer */
} hetmap_status;

/* What went wrong in this thread's last call that did not end with HETMAP_OK, for people; never
   NULL. Valid until that thread's next call. */
const char* hetmap_last_error(void);

/* ---- sessions ------------------------------------------------------------------------ */

typedef struct hetmap_session hetmap_session;

typedef struct {
    size_t size;    /* sizeof(hetmap_options): which of the members there are */
    int batch;      /* images in a run, where there is no mapping to say it */
    int timed;      /* 1: hetmap_task_times can be asked; accelerators may run slower */
    int background; /* 1: the session lives in a thread of its own, which hetmap_run_async needs */
} hetmap_options;

/* The same as NULL: options = HETMAP_OPTIONS. */
#define HETMAP_OPTIONS \
    { sizeof(hetmap_options), 1, 0, 0 }

/* model: a model.yaml or its folder. mapping: a file that hetmap map wrote for this model; NULL:
   some way in which this machine's CPU can run it, on one thread. options: NULL for all as above.
 */
hetmap_status hetmap_open(const char* model,
                          const char* mapping,
                          const hetmap_options* options,
                          hetmap_session** session);

/* Waits for what is going on, and frees everything. NULL is nothing to close. Not from within a
   callback of the same session. */
void hetmap_close(hetmap_session* session);

/* ---- inputs and outputs -------------------------------------------------------------- */

typedef enum {
    HETMAP_U8 = 1,     /* one byte an element */
    HETMAP_INT32 = 2,  /* four, in the machine's order */
    HETMAP_BINARY = 3, /* +1 and -1 as bits 1 and 0: for each pixel its channels, the first in the
                         lowest bit, filled up with zeros to whole uint64_t */
    HETMAP_F32 = 4,    /* four, the machine's float */
    HETMAP_INT8 = 5    /* one byte, signed */
} hetmap_element;

typedef struct {
    const char* name; /* the layer's; valid while the session is open, as `data` */
    hetmap_element element;
    int batch, height, width, channels; /* in memory in this order, the batch outermost */
    void* data;                         /* aligned to 64 bytes; of an output to be read only */
    size_t bytes;
} hetmap_tensor;

/* How many there are, and each; in the model's order. Inputs are zero until they are written.
   Outputs hold the last run's answer, inputs stay as they are. */
int hetmap_input_count(const hetmap_session* session);
int hetmap_output_count(const hetmap_session* session);
hetmap_status hetmap_input(const hetmap_session* session, int index, hetmap_tensor* tensor);
hetmap_status hetmap_output(const hetmap_session* session, int index, hetmap_tensor* tensor);

/* ---- running ------------------------------------------------------------------------- */

/* One batch through the network; returns when the outputs are there. */
hetmap_status hetmap_run(hetmap_session* session);

/* The same in the session's own thread; returns at once. Until `done` is called from there, or
   hetmap_wait returns, inputs and outputs are the session's. `done` may ask for the next run; NULL:
   nobody is told. Only with options.background. */
typedef void (*hetmap_done)(hetmap_status status, void* user);
hetmap_status hetmap_run_async(hetmap_session* session, hetmap_done done, void* user);

/* Until no run is going on and no callback; returns how the last one ended. Not from within a
   callback. */
hetmap_status hetmap_wait(hetmap_session* session);

/* ---- times --------------------------------------------------------------------------- */

typedef struct {
    const char* layers; /* those that one kernel computes: "conv1 + threshold1" */
    const char* device; /* "cpu" */
    const char* variant;
    const char* configuration;
    double us; /* in the last run */
} hetmap_task_time;

/* The kernels of the mapping in its order. `capacity`: how many of `times` there is room for; all
   that there are go to `count`, which may be NULL. `total_us`, which may be NULL: of the whole run,
   with copies, conversions and waits. Only with options.timed, and after a run. */
hetmap_status hetmap_task_times(hetmap_session* session,
                                hetmap_task_time* times,
                                size_t capacity,
                                size_t* count,
                                double* total_us);

#ifdef __cplusplus
}
#endif

#endif
