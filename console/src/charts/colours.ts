// Colours of groups in pictures: apart from each other for those who do not tell red from green (Okabe & Ito 2008, darkened or lightened for either scheme).
export const colours = ["light-dark(#0d5552, #74c7b8)", "light-dark(#b3470c, #f0a05f)", "light-dark(#3b56b0, #93aef0)", "light-dark(#8a3a7d, #d79ace)", "light-dark(#6b6a12, #d3d06a)", "light-dark(#56606b, #9fadb3)"];
