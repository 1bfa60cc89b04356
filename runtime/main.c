/* Runs the network in this folder: network FILE...

   FILE: what goes into the network's inputs, one for each, in its order. Of a file the last bytes
   are taken, as many as the input has, so that images may come as PGM or PPM. Without one an input
   is zeros. Prints for each image the class, which is the largest score, and what a run takes.

   A place to start from: this file is yours. What the functions do stands in include/hetmap.h. */

#define _POSIX_C_SOURCE 200809L /* clock_gettime, readlink */

#include <hetmap.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* model/ and mapping.yaml lie beside build/, in which this program is. */
static int open_session(hetmap_session** session) {
    char folder[4096], model[4200], mapping[4200];
    const ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[length < 0 ? 0 : length] = '\0';
    for (int i = 0; i < 2; ++i) {
        char* slash = strrchr(folder, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
    }
    snprintf(model, sizeof model, "%s/model", folder);
    snprintf(mapping, sizeof mapping, "%s/mapping.yaml", folder);
    return hetmap_open(model, mapping, NULL, session) == HETMAP_OK;
}

static int read_input(const char* path, const hetmap_tensor* input) {
    FILE* file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 0;
    }
    size_t read = 0;
    if (fseek(file, -(long)input->bytes, SEEK_END) == 0) {
        read = fread(input->data, 1, input->bytes, file);
    }
    fclose(file);
    if (read != input->bytes) {
        fprintf(stderr,
                "%s: expected at least the %zu bytes of input '%s'\n",
                path,
                input->bytes,
                input->name);
    }
    return read == input->bytes;
}

static double score(const hetmap_tensor* output, int index) {
    switch (output->element) {
        case HETMAP_F32:
            return (double)((const float*)output->data)[index];
        case HETMAP_U8:
            return (double)((const uint8_t*)output->data)[index];
        case HETMAP_INT8:
            return (double)((const int8_t*)output->data)[index];
        default:
            return (double)((const int32_t*)output->data)[index];
    }
}

static void print_classes(const hetmap_tensor* output) {
    const int count = output->height * output->width * output->channels;
    if (output->element == HETMAP_BINARY) {
        return;
    }
    for (int image = 0; image < output->batch; ++image) {
        const int first = image * count;
        int best = first;
        for (int i = first; i < first + count; ++i) {
            best = score(output, i) > score(output, best) ? i : best;
        }
        printf("%s, image %d: class %d\n", output->name, image, best - first);
    }
}

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

int main(int argc, char** argv) {
    hetmap_session* session = NULL;
    if (!open_session(&session)) {
        fprintf(stderr, "network: %s\n", hetmap_last_error());
        return 1;
    }
    const int inputs = hetmap_input_count(session);
    if (argc - 1 > inputs) {
        fprintf(stderr, "usage: network FILE...    (it has %d inputs)\n", inputs);
        return 2;
    }
    for (int i = 0; i < argc - 1; ++i) {
        hetmap_tensor input;
        hetmap_input(session, i, &input);
        if (!read_input(argv[i + 1], &input)) {
            hetmap_close(session);
            return 2;
        }
    }

    /* The fastest of some runs: the first ones find caches and clocks cold. */
    double fastest = 0;
    for (int i = 0; i < 50; ++i) {
        const double begin = now_us();
        if (hetmap_run(session) != HETMAP_OK) {
            fprintf(stderr, "network: %s\n", hetmap_last_error());
            hetmap_close(session);
            return 1;
        }
        const double taken = now_us() - begin;
        fastest = i == 0 || taken < fastest ? taken : fastest;
    }
    for (int o = 0; o < hetmap_output_count(session); ++o) {
        hetmap_tensor output;
        hetmap_output(session, o, &output);
        print_classes(&output);
    }
    printf("%.1f us\n", fastest);
    hetmap_close(session);
    return 0;
}
