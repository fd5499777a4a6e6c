"""Readers of data sets as publishers and people lay them out.

sources                         the data sets by name; a new one is a reader and one line there
voc, labelme, coco, yolo, elpv, magnetic_tile, neu_seg, deeppcb, labelled_folders
                                the readers: a folder -> its `SourceImage`s
pairs, matching                 images with a file each that says what they show, and which file is whose
voc_xml, json_shapes, marks     one annotation file -> boxes, outlines and regions
class_folders, tree, names      folders that say good or defective; files below a folder; what names mean
images, formats, orientation    decoding a picture and turning it upright
mask_files, rasters, truths     mask files, filled outlines, and an image with what of it is defect
templates, two_level            exact masks from clean boards, and from black and white pairs
lookalikes                      pictures that look the same, also turned and mirrored
fetch, archives, origin, unused, bad_files
                                what the download stage records, and files that are wrong or not used
"""
