/* Classifies one image: deploy MODEL MAPPING IMAGE. Prints the class and what a run takes.

   MODEL: a model.yaml or its folder; MAPPING: what hetmap map wrote for it, or - for none;
   IMAGE: a binary PGM or PPM file of the model's size.

       cc deploy.c $(pkg-config --cflags --libs hetmap) -o deploy */

#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include <hetmap.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The pixels of a PGM (P5) or PPM (P6) file, which is (y, x, channel), as the model wants them. */
static int read_image(const char* path, const hetmap_tensor* image) {
    char kind = 0;
    int width = 0, height = 0, most = 0;
    FILE* file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 0;
    }
    size_t read = 0;
    if (fscanf(file, "P%c %d %d %d", &kind, &width, &height, &most) == 4 && fgetc(file) != EOF &&
        width == image->width && height == image->height &&
        (kind == '6' ? 3 : 1) == image->channels && most == 255) {
        read = fread(image->data, 1, image->bytes, file);
    }
    fclose(file);
    if (read != image->bytes) {
        fprintf(stderr,
                "%s: expected %d x %d pixels of %d bytes, as PGM or PPM\n",
                path,
                image->width,
                image->height,
                image->channels);
    }
    return read == image->bytes;
}

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: deploy MODEL MAPPING IMAGE\n");
        return 2;
    }
    hetmap_session* session = NULL;
    if (hetmap_open(argv[1], strcmp(argv[2], "-") == 0 ? NULL : argv[2], NULL, &session) !=
        HETMAP_OK) {
        fprintf(stderr, "deploy: %s\n", hetmap_last_error());
        return 1;
    }
    hetmap_tensor image, scores;
    hetmap_input(session, 0, &image);
    hetmap_output(session, 0, &scores);
    if (!read_image(argv[3], &image)) {
        hetmap_close(session);
        return 2;
    }

    /* The fastest of some runs: the first ones find caches and clocks cold. */
    double fastest = 0;
    for (int i = 0; i < 50; ++i) {
        const double begin = now_us();
        if (hetmap_run(session) != HETMAP_OK) {
            fprintf(stderr, "deploy: %s\n", hetmap_last_error());
            hetmap_close(session);
            return 1;
        }
        const double taken = now_us() - begin;
        fastest = i == 0 || taken < fastest ? taken : fastest;
    }

    /* The class is the largest score; of equal ones the first. */
    const int32_t* score = scores.data;
    int best = 0;
    for (int i = 1; i < scores.channels; ++i) {
        best = score[i] > score[best] ? i : best;
    }
    printf("class %d, %.1f us\n", best, fastest);
    hetmap_close(session);
    return 0;
}
